"""The check of overlaps finds overlaps."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from tests.report.figures.looking import assert_words_stand_apart, contrast


@pytest.mark.parametrize(("x", "fault"), [(0.42, "covers"), (0.97, "leaves"), (0.7, None)])
def test_words_that_cover_each_other_or_leave_are_found(x: float, fault: str | None) -> None:
    figure = Figure(figsize=(4, 2))
    figure.text(0.4, 0.5, "first")
    figure.text(x, 0.5, "second")
    if fault is None:
        assert_words_stand_apart(figure)
        return
    with pytest.raises(AssertionError, match=fault):
        assert_words_stand_apart(figure)


def test_contrast_is_that_of_black_on_white() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
