"""`tnas search --seeds`: a run for each seed, and one result for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.wrong import check
from tests.conftest import SEARCH, Pipeline
from tests.running import succeeding, tnas


def test_seeds_repeat_a_search(pipeline: Pipeline, tmp_path: Path) -> None:
    run = ("search", *SEARCH, "--runs", tmp_path, *pipeline.here)
    found = succeeding(*run, "--seeds", 2, "--seed", 3, "--json").result
    assert found["seeds"] == [3, 4]
    assert sorted(found["runs"]) == sorted(map(str, tmp_path.iterdir()))
    alone = succeeding(*run, "--seed", 4, "--json").result
    assert found["validation_accuracies"][1] == alone["validation_accuracy"]
    assert Path(found["checkpoints"][1]).read_bytes() != Path(found["checkpoints"][0]).read_bytes()
    assert found["mean_over_seeds"] == pytest.approx(sum(found["validation_accuracies"]) / 2)
    best = max(found["validation_accuracies"])
    assert found["checkpoint"] == found["checkpoints"][found["validation_accuracies"].index(best)]
    assert found["validation_accuracy"] == best
    shown = succeeding(*run, "--seeds", 2)
    assert "mean over 2 seeds" in shown.stderr
    assert "searched 8 tasks with each seed" in shown.stderr
    assert Path(shown.stdout.strip()).is_file()


def test_seeds_need_whole_searches(pipeline: Pipeline, tmp_path: Path) -> None:
    run = ("search", *SEARCH, "--runs", tmp_path, *pipeline.here)
    check(tnas(*run, "--seeds", 2, "--dry-run"), 2, ("--seeds has no effect with --dry-run",))
    resumed = ("resume", pipeline.searched.result["run"], *pipeline.here)
    check(tnas(*resumed, "--seeds", 2), 2, ("--seeds",))
    check(tnas(*run, "--seeds", 0), 2, ("--seeds",))
    assert not list(tmp_path.iterdir())
