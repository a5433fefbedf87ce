"""Commands that a group of processes cannot do are refused before anything is read."""

from __future__ import annotations

import sys

import pytest

from tnas_cli.cli import over_ranks
from tnas_cli.errors import SettingsError


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["decode", "DARTS_V2"], "error: tnas decode is one process's work."),
        (["prepare-data", "omniglot"], "error: tnas prepare-data is one process's work."),
        (["train-eval", "DARTS_V2", "--side-by-side", "2"], "error: --side-by-side has no effect with torchrun."),
        (["resume", "runs/a", "--cluster=tcp://a:1"], "error: --cluster=tcp://a:1 has no effect with torchrun."),
        (["train-eval", "-"], "error: torchrun has no standard input for all."),
    ],
)
def test_it_is_refused(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tnas", *words])
    assert over_ranks._refused() == SettingsError.exit_code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["search", "--help"], ["--version"], ["resume", "runs/a"], []])
def test_the_rest_is_not(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tnas", *words])
    assert over_ranks._refused() == 0


def test_a_process_that_only_follows_says_nothing_but_keeps_its_error() -> None:
    with over_ranks._quiet() as kept:
        print("a table")
        sys.stderr.write("error: no images.\nhint: add some\n")
    assert kept.last == "error: no images.\nhint: add some\n"
