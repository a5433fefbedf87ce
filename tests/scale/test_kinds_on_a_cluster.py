"""Kinds of units on a real Dask cluster: the result is that of this machine, to the last bit.

Here are the meta-training and tests of inherited weights, the searches of S1 and supervised trainings, whole searches,
and task folders; genotypes of `train-eval` are in `test_cluster.py`. S2, `transfer`, `--all-tasks` and tasks of a data
set are done by workers that see no files of the client (`test_no_shared_files.py`).
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEARCH, Pipeline
from tests.methods import class_pictures as pictures
from tests.recipes.test_recipes_supervised import TINY
from tests.running import start, succeeding, task_folder, until
from tests.scale.dask_cluster import Cluster
from tests.scale.test_torchrun import same

pytestmark = pytest.mark.slow
BUDGET = ("--query", 2, "--tasks", 4, "--meta-batch", 2, "--validate-every", 2, "--validation-tasks", 2)

#: Keys of results that say where and when, not what.
ELSEWHERE = (
    "run",
    "wall_seconds",
    "training_seconds",
    "search_seconds",
    "search_seconds_before",
    "environment",
    "argv",
    "resumed",
)


def told(result: dict[str, Any]) -> dict[str, Any]:
    """What a result says of the work."""
    return {key: value for key, value in result.items() if key not in ELSEWHERE}


def test_inherited_weights(pipeline: Pipeline, two_workers: Cluster, tmp_path: Path) -> None:
    """The meta-training is one unit; tests of own tasks, of others and of random genotypes are the next ones."""
    words = ("train-eval", "-", "--weights", "inherited", "--checkpoint", pipeline.best, *BUDGET, "--cross", 1)
    words += ("--runs", tmp_path, *pipeline.here, "--json")
    here = succeeding(*words, stdin=pipeline.decoded.stdout).result
    there = succeeding(*words, "--cluster", two_workers.file, stdin=pipeline.decoded.stdout)
    assert told(there.result) == told(here)
    assert "unit(s) at a time" in there.stderr


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5"
    pictures.characters(path)
    return path


def options(settings: dict[str, Any]) -> list[str]:
    """Settings as options."""
    given = {name: value for name, value in settings.items() if not isinstance(value, bool)}
    flags = [f"--{'' if value else 'no-'}{name}" for name, value in settings.items() if isinstance(value, bool)]
    return [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))] + flags


def test_supervised_goes_on_after_its_client_was_killed(signs: Path, two_workers: Cluster, tmp_path: Path) -> None:
    """Searches of single tasks (S1), then trainings of genotypes."""
    tiny = {**TINY, "epochs": 1, "search_epochs": 1}
    chosen = options({name: value for name, value in tiny.items() if name != "genotypes"})
    words = ("supervised", "--dataset", signs, "--method", "s1", *chosen, "--threads", 1, "--runs", tmp_path)
    here = succeeding(*words, "--json").result
    client = start(*words, "--cluster", two_workers.file, cwd=tmp_path)
    until(lambda: client.poll() is not None or list(tmp_path.glob("*/searches/*.json")))
    os.kill(client.pid, signal.SIGKILL)
    client.communicate()
    (run,) = (path for path in tmp_path.iterdir() if not (path / "result.json").is_file())
    there = succeeding("resume", run, "--cluster", two_workers.file, "--json").result
    assert told(there) == told(here)


def test_seeds(two_workers: Cluster, pipeline: Pipeline, tmp_path: Path) -> None:
    """Searches are done at the same time, each in a run of its own."""
    words = ("search", *SEARCH, "--seeds", 2, "--runs", tmp_path, *pipeline.here, "--json")
    here = succeeding(*words).result
    there = succeeding(*words, "--cluster", two_workers.file).result
    assert {key: value for key, value in told(there).items() if not key.startswith(("checkpoint", "runs"))} == {
        key: value for key, value in told(here).items() if not key.startswith(("checkpoint", "runs"))
    }
    assert all(
        same(Path(one) / "last.pt", Path(other) / "last.pt")
        for one, other in zip(here["runs"], there["runs"], strict=True)
    )
    assert succeeding("resume", there["runs"][1], "--json").result["again"], "each run is a finished one"


def test_task_folders(two_workers: Cluster, pipeline: Pipeline, tmp_path: Path) -> None:
    """Records come back in the order of the folders, with files named as they were named here."""
    shapes = [(0, 3), (3, 6), (6, 8), (8, 11)]
    tasks = [task_folder(tmp_path / f"task-{first}", range(first, last)) for first, last in shapes]
    words = ("adapt", pipeline.best, *tasks, *pipeline.here, "--json")
    here = succeeding(*words)
    there = succeeding(*words, "--cluster", two_workers.file)
    assert [told(one) for one in there.records] == [told(one) for one in here.records]
    assert "unit(s) at a time" in there.stderr
