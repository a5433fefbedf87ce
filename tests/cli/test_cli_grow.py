"""`tnas grow`: what it prints, what comes after it, and what it refuses."""

from __future__ import annotations

from pathlib import Path

from tests.cli.wrong import check
from tests.conftest import TESTING, TINY, TRAINING, Pipeline
from tests.running import succeeding, tnas

EACH = ("--method", "maml", "--inner-steps", 1, "--test-steps", 1, "--tasks", 4, "--validate-every", 4)
GROWTH = (*TINY, *EACH, "--validation-tasks", 2, "--first", 3, "--beam", 2, "--nodes", 2)


def test_a_grown_cell_goes_into_the_next_command(pipeline: Pipeline, tmp_path: Path) -> None:
    where = ("--runs", tmp_path, *pipeline.here)
    shown = succeeding("grow", *GROWTH, *where)
    (run,) = tmp_path.iterdir()
    chosen = run / "chosen.jsonl"
    assert shown.stdout.splitlines()[-1] == str(chosen)
    assert "5 cells trained on 4 tasks each" in shown.stderr
    assert f"tnas train-eval {chosen}" in shown.stderr
    found = succeeding("resume", run, *pipeline.here, "--json").result
    assert (found["path"], found["trained"], found["nodes"]) == (str(chosen), 5, 2)
    assert found["digest"] in shown.stdout
    trained = succeeding("train-eval", chosen, *TRAINING, *TESTING[:2], *where, "--json").result
    assert (trained["method"], trained["genotypes"]) == ("auto-meta", 1)


def test_its_cost_is_said_and_nothing_is_written(pipeline: Pipeline, tmp_path: Path) -> None:
    where = ("--runs", tmp_path / "runs", *pipeline.here)
    shown = succeeding("grow", *GROWTH, *where, "--dry-run")
    assert "5, 1 at a time; what is above holds for one of the final size" in shown.stdout
    assert "total to expect" in shown.stdout
    assert succeeding("grow", *GROWTH, *where, "--dry-run", "--json").result["cells"] == 5
    assert not list(tmp_path.iterdir())


def test_what_it_cannot_do_is_refused_with_what_would_work(pipeline: Pipeline, tmp_path: Path) -> None:
    where = ("--runs", tmp_path / "runs", *pipeline.here)
    check(tnas("grow", *where), 2, ("no data set given", "tnas grow --dataset"))
    check(tnas("grow", *GROWTH, "--beam", 0, *where), 2, ("beam",))
    check(tnas("grow", *GROWTH, "--hours", 1, *where), 2, ("--hours has no effect", "--beam"))
    check(tnas("grow", *GROWTH, "--space", "dart", *where), 2, ("unknown space", "darts"))
    check(tnas("grow", *GROWTH, "--dry-run", "--cluster", "tcp://localhost:1", *where), 2, ("--cluster",))
    assert not list(tmp_path.iterdir())
