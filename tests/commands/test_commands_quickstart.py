"""The whole pipeline as one Python function, with budgets of a few tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tnas_cli.commands.quickstart import quickstart
from tnas_cli.commands.report import report
from tnas_cli.runs.device import Machine


def test_all_six_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 6, "val": 5, "test": 6})
    monkeypatch.setattr("tnas_cli.commands.quickstart.ADAPTED_TASKS", 2)
    tiny = {"query": 2, "channels": 4, "meta_batch": 2, "inner_steps": 1, "test_steps": 1, "validation_tasks": 2}
    tiny |= {"tasks": 2, "validate_every": 2}
    said: list[str] = []
    results = list(
        quickstart(
            runs=tmp_path / "runs",
            machine=Machine("cpu", 1, tmp_path / "cache", offline=True),
            budgets={"search": tiny, "training": tiny | {"test_tasks": 2}},
            say=said.append,
        )
    )
    commands = ["prepare-data", "search", "adapt", "decode", "train-eval"]
    assert [result.command for result in results] == commands
    assert [line.split()[:2] for line in said] == [[str(step), name] for step, name in enumerate(commands, start=1)]
    assert 0.2 <= results[-1].nearest_neighbour <= 1
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        "search-glyphs-5w1s-t-nas-1",
        "train-eval-glyphs-5w1s-t-nas-1",
    }
    table = report([results[-1].run])
    assert [ours.measurement.mean for ours in table.measured] == [results[-1].mean]
