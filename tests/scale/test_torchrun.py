"""Groups of real processes that torchrun starts: their results, how they end, and how their runs go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Pipeline
from tests.running import Argument, succeeding
from tnas_cli.records import reading
from tnas_cli.records.results import SearchResult

pytestmark = pytest.mark.slow

PATIENCE = 180
#: On compiled kernels, which give the same bits for any number of processes; in meta-batches of 5 tasks.
SEARCH = ("search", "--dataset", "shapes", "--way", 3, "--query", 2, "--nodes", 2, "--meta-batch", 5)
SMALL = ("--engine", "fused", "--channels", 8, "--inner-steps", 2, "--test-steps", 2, "--validation-tasks", 20)
#: Long enough to be stopped in the middle.
LONG = (*SEARCH, *SMALL, "--tasks", 60, "--validate-every", 15)
INHERITING = (
    "--query",
    2,
    "--channels",
    8,
    "--tasks",
    8,
    "--meta-batch",
    4,
    "--validate-every",
    4,
    "--engine",
    "fused",
)
INHERITING = (*INHERITING, "--validation-tasks", 2)
NAME = "search-shapes-3w1s-t-nas-1"


def torchrun(size: int, *arguments: Argument, cwd: Path, options: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """`tnas ARGUMENTS` by so many processes of one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(size), *options, "-m", "tnas_cli"]
    return subprocess.Popen(
        [sys.executable, "-m", *words, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code of a group, and what it said; none of its processes is left."""
    workers = children(process.pid)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert not [pid for pid in workers if alive(pid)]
    return process.returncode, stderr


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    """The processes that torchrun started, by rank."""
    try:
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return []


def under_way(process: subprocess.Popen[str], run: Path) -> None:
    """Wait until the run has a checkpoint."""
    begun = time.monotonic()
    while not (run / "last.pt").is_file():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.01)


def tensors(file: Path) -> dict[str, torch.Tensor]:
    """Everything that a checkpoint holds, by its place."""

    def within(value: Any, place: str) -> Iterator[tuple[str, torch.Tensor]]:
        if isinstance(value, torch.Tensor):
            yield place, value
        elif isinstance(value, dict):
            for name, part in value.items():
                yield from within(part, f"{place}/{name}")

    return dict(within(torch.load(file, weights_only=True), ""))


def same(one: Path, other: Path) -> bool:
    """Whether two checkpoints hold the same, to the last bit."""
    first, second = tensors(one), tensors(other)
    assert len(first) > 50
    return first.keys() == second.keys() and all(torch.equal(first[place], second[place]) for place in first)


def result(run: Path) -> SearchResult:
    (found,) = reading.read(run / "result.json")
    assert isinstance(found, SearchResult)
    return found


def finished_as(run: Path, other: Path) -> None:
    """Both runs came to the same end."""
    assert same(run / "last.pt", other / "last.pt")
    assert same(run / "best.pt", other / "best.pt")
    assert (result(run).tasks, result(run).validation_accuracy) == (
        result(other).tasks,
        result(other).validation_accuracy,
    )


@pytest.fixture(scope="module")
def alone(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long search by one process with one thread."""
    folder = tmp_path_factory.mktemp("alone")
    succeeding(*LONG, "--runs", folder, *pipeline.here)
    return folder / NAME


def test_one_network_is_trained_together(pipeline: Pipeline, tmp_path: Path) -> None:
    words = ("train-eval", "DARTS_V2", "--dataset", "shapes", "--way", 3, "--query", 2, *SMALL, "--test-tasks", 4)
    words = (*words, "--tasks", 8, "--validate-every", 4, "--cache-dir", pipeline.cache, "--json")
    by_one = succeeding(*words, "--threads", 1, "--runs", tmp_path / "1")
    process = torchrun(2, *words, "--runs", tmp_path / "2", cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    (line,) = stdout.splitlines()  # one process speaks
    assert json.loads(line)["mean"] == by_one.result["mean"]
    one, two = ((tmp_path / number).rglob("last.pt") for number in "12")
    assert same(next(one), next(two))


def test_inherited_weights_are_trained_together(pipeline: Pipeline, alone: Path, tmp_path: Path) -> None:
    adapted = succeeding("adapt", alone / "best.pt", "--dataset", "shapes", "--tasks", 2, *pipeline.here, "--json")
    (tmp_path / "found.jsonl").write_text(succeeding("decode", "-", "--json", stdin=adapted.stdout).stdout)
    words = (
        "train-eval",
        tmp_path / "found.jsonl",
        "--weights",
        "inherited",
        *INHERITING,
        "--cache-dir",
        pipeline.cache,
    )
    by_one = succeeding(*words, "--json", "--threads", 1, "--runs", tmp_path / "1").result
    code, stderr = ended(torchrun(2, *words, "--runs", tmp_path / "2", cwd=tmp_path))
    assert code == 0, stderr
    (run,) = (tmp_path / "2").iterdir()
    assert same(run / "last.pt", Path(by_one["run"]) / "last.pt")
    kept = json.loads((run / "result.json").read_text())
    assert (kept["mean"], kept["per_task"]) == (by_one["mean"], by_one["per_task"])


def test_a_process_that_is_killed_ends_the_others_and_the_run_goes_on(
    pipeline: Pipeline, alone: Path, tmp_path: Path
) -> None:
    """Within seconds, with a word and everything saved. Four processes, then two, reach the same end as one alone."""
    process = torchrun(4, *LONG, *pipeline.here, "--runs", tmp_path, cwd=tmp_path)
    run = tmp_path / NAME
    under_way(process, run)
    os.kill(children(process.pid)[-1], signal.SIGKILL)
    killed = time.monotonic()
    code, stderr = ended(process)
    assert time.monotonic() - killed < 30
    assert code != 0
    assert "error: another process of this group ended unexpectedly. Everything up to the last step is saved" in stderr
    assert len(re.findall("^error: ", stderr, re.MULTILINE)) == 1
    assert f"tnas resume {run}" in stderr
    code, stderr = ended(torchrun(2, "resume", run, *pipeline.here[:2], cwd=tmp_path))
    assert code == 0, stderr
    finished_as(run, alone)


def test_torchrun_starts_the_group_again(pipeline: Pipeline, alone: Path, tmp_path: Path) -> None:
    """--max-restarts, after the process that leads was killed: the run goes on by itself, in the same folder."""
    process = torchrun(2, *LONG, *pipeline.here, "--runs", tmp_path, cwd=tmp_path, options=("--max-restarts", "1"))
    run = tmp_path / NAME
    under_way(process, run)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    code, stderr = ended(process)
    assert code == 0, stderr
    finished_as(run, alone)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [NAME]


def test_a_batch_queue_that_ends_a_job_loses_nothing(pipeline: Pipeline, alone: Path, tmp_path: Path) -> None:
    """SIGTERM to torchrun, which passes it on: the run is saved, and one process alone continues it."""
    process = torchrun(2, *LONG, *pipeline.here, "--runs", tmp_path, cwd=tmp_path)
    run = tmp_path / NAME
    under_way(process, run)
    process.send_signal(signal.SIGTERM)
    code, stderr = ended(process)
    assert code != 0
    assert f"everything so far is saved in {run}" in stderr
    succeeding("resume", run, "--cache-dir", pipeline.cache)
    finished_as(run, alone)


def test_what_is_refused_is_said_once(tmp_path: Path) -> None:
    code, stderr = ended(torchrun(2, *SEARCH, "--alpha-inner", -1, cwd=tmp_path))
    assert code != 0
    assert len(re.findall("^error: ", stderr, re.MULTILINE)) == 1
    assert "alpha_inner" in stderr
    assert not list(tmp_path.iterdir())
