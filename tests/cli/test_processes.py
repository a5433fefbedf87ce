"""What only real processes can show: pipes, signals, two processes at once, and how fast help appears."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import SEARCH, TESTING, TRAINING, Pipeline
from tests.running import start, succeeding
from tnas_cli.runs import checkpoint

PATIENCE = 120
#: Long enough to be stopped in the middle, with a validation before and after the stop.
LONGER = (*SEARCH, "--tasks", 40, "--validate-every", 10)


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Both streams of a process that must end well."""
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    return stdout, stderr


def test_the_pipeline_through_pipes(pipeline: Pipeline, tmp_path: Path) -> None:
    task = ("--dataset", "shapes", "--tasks", 2, "--json")
    adapt = start("adapt", pipeline.best, *task, *pipeline.here, cwd=tmp_path)
    decode = start("decode", "-", "--json", stdin=adapt.stdout, cwd=tmp_path)
    train = start("train-eval", "-", *TRAINING, *TESTING, *pipeline.here, "--json", stdin=decode.stdout, cwd=tmp_path)
    report = start("report", "-", "--format", "markdown", stdin=train.stdout, cwd=tmp_path)
    for process in (adapt, decode, train):
        assert process.stdout is not None
        process.stdout.close()
    table, _ = finished(report)
    for process in (adapt, decode, train):
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        process.stderr.close()
    (run,) = (tmp_path / "runs").iterdir()
    result = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert f"{100 * result['mean']:.2f}" in table


def test_a_reader_that_leaves_early_is_no_error(pipeline: Pipeline, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    many.write_text(pipeline.decoded.stdout.splitlines()[0] + "\n")
    many.write_text(many.read_text() * 2000)
    process = start("decode", many, "--json", cwd=tmp_path)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "genotype"
    process.stdout.close()
    assert process.stderr is not None
    stderr = process.stderr.read()
    assert process.wait(PATIENCE) != 0
    process.stderr.close()
    assert "Traceback" not in stderr
    assert "error" not in stderr


@pytest.fixture
def stopped(pipeline: Pipeline, tmp_path: Path) -> tuple[Path, int, str]:
    """A search that Ctrl-C stopped: its run directory, exit code and what it said."""
    process = start("search", *LONGER, "--runs", tmp_path / "runs", *pipeline.here, cwd=tmp_path)
    run = tmp_path / "runs" / "search-shapes-3w1s-t-nas-1"
    begin = time.monotonic()
    while not (run / "last.pt").is_file():
        assert process.poll() is None
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    return run, process.returncode, stderr


def test_ctrl_c_saves_and_resume_reaches_the_same_numbers(
    pipeline: Pipeline, tmp_path: Path, stopped: tuple[Path, int, str]
) -> None:
    run, code, stderr = stopped
    assert code == 130
    assert "Traceback" not in stderr
    assert f"hint: continue with: tnas resume {run}\n" in stderr
    kind = "tnas/meta-architecture"
    done = checkpoint.load(run / "last.pt", kind).about["progress"]["tasks_done"]
    assert 0 < done < 40
    resumed = succeeding("resume", run, *pipeline.here, "--json").result
    assert resumed["tasks"] == 40
    assert resumed["tasks_this_time"] == 40 - done
    whole = succeeding("search", *LONGER, "--runs", tmp_path / "whole", *pipeline.here, "--json").result
    for name in ("best.pt", "last.pt"):
        one, other = (checkpoint.load(folder / name, kind) for folder in (run, Path(whole["run"])))
        histories = [{**kept.about["progress"], "seconds": None} for kept in (one, other)]
        assert histories[0] == histories[1]
        assert one.tensors.keys() == other.tensors.keys()
        for key, tensor in one.tensors.items():
            assert torch.equal(tensor, other.tensors[key]), key
    for key in ("validation_accuracy", "theta_largest_probability", "skip_share", "distinct_genotypes"):
        assert resumed[key] == whole[key]


def test_two_processes_prepare_the_same_cache(pipeline: Pipeline, tmp_path: Path) -> None:
    arguments = (
        "folder",
        "--source",
        pipeline.folder / "shapes",
        "--size",
        20,
        "--cache-dir",
        tmp_path / "cache",
        "--json",
    )
    both = [start("prepare-data", *arguments, cwd=tmp_path) for _ in range(2)]
    results = [json.loads(finished(process)[0]) for process in both]
    assert results[0] == results[1]
    assert results[0]["fingerprint"] == pipeline.prepared.result["fingerprint"]
    assert [path.name for path in (tmp_path / "cache").glob("*.h5")] == ["shapes-classes-20.h5"]
    assert not list((tmp_path / "cache").glob(".*.part"))
