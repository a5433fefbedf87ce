"""The warning of a collapse, at both thresholds."""

import pytest

from tnas_cli.spaces.collapse import collapse


@pytest.mark.parametrize(
    ("counts", "skips", "pools", "words"),
    [
        ([(8, 0, 16), (8, 0, 16)], 0.5, 0.0, None),
        ([(8, 0, 16), (9, 0, 16)], 17 / 32, 0.0, "53% of the decoded edges are skip connections"),
        ([(4, 8, 16)], 0.25, 0.5, None),
        ([(4, 9, 16)], 0.25, 9 / 16, "81% of the decoded edges have no weights"),
    ],
)
def test_shares_and_thresholds(counts: list[tuple[int, int, int]], skips: float, pools: float, words: str) -> None:
    found = collapse(counts)
    assert (found["skip_share"], found["pool_share"]) == (skips, pools)
    assert (words in found["warning"]) if words else found["warning"] is None
