"""`tnas runs`: what each run is, in whatever state; a broken one hides no other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pipeline
from tests.pasting import HOSTILE, next_line, words_of
from tests.running import succeeding, tnas, unfinished
from tnas_cli.commands.runs import list_runs
from tnas_cli.runs.lock import NAME as LOCK
from tnas_cli.runs.lock import locked

SEARCH, TRAINING = "search-shapes-3w1s-t-nas-1", "train-eval-shapes-3w1s-t-nas-1"


@pytest.fixture
def runs(pipeline: Pipeline, tmp_path: Path) -> Path:
    """A search and a training that are finished, each in a folder of its own."""
    for name in (SEARCH, TRAINING):
        shutil.copytree(pipeline.runs / name, tmp_path / "runs" / name.partition("-")[0] / name)
    return tmp_path / "runs"


@pytest.fixture
def held(runs: Path) -> Iterator[Path]:
    """The search, on which this process works."""
    with locked(unfinished(runs / "search" / SEARCH)):
        yield runs / "search" / SEARCH


def record(folder: Path, name: str = SEARCH, *options: str) -> dict[str, Any]:
    """The record of one run of a folder."""
    (found,) = [each for each in succeeding("runs", folder, *options, "--json").records if name in each.get("run", "")]
    return found


def gone() -> dict[str, object]:
    """What a process that has ended left in the file that names it."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    return {"pid": int(done.stdout), "host": os.uname().nodename, "began": "1"}


def test_finished_runs_have_their_results(runs: Path, pipeline: Pipeline) -> None:
    searched, trained = record(runs), record(runs, TRAINING)
    assert (searched["state"], searched["done"], searched["asked"], searched["unit"]) == ("finished", 8, 8, "tasks")
    assert (searched["measured_on"], searched["accuracy"]) == (
        "validation",
        pipeline.searched.result["validation_accuracy"],
    )
    assert searched["interval"] is not None
    assert (trained["measured_on"], trained["accuracy"]) == ("test", pipeline.trained.result["mean"])
    assert trained["networks"] == trained["networks_done"] == 2
    assert (trained["done"], trained["asked"]) == (8, 8)
    for found in (searched, trained):
        assert (found["method"], found["dataset"], found["way"], found["shot"]) == ("t-nas", "shapes", 3, 1)
        assert found["wall_seconds"] > 0
        assert found["seed"] == 0
    assert trained["command"] == "train-eval"


def test_the_last_record_counts_them(runs: Path) -> None:
    unfinished(runs / "search" / SEARCH)
    result = succeeding("runs", runs, "--json").result
    assert (result["found"], result["finished"], result["stopped"], result["broken"]) == (2, 1, 1, 0)


def test_a_stopped_search_says_how_far_it_is(runs: Path) -> None:
    found = record(unfinished(runs / "search" / SEARCH).parent)
    assert (found["state"], found["done"], found["asked"]) == ("stopped", 8, 8)
    assert (found["measured_on"], found["wall_seconds"]) == ("validation", None)


def test_a_stopped_training_counts_all_its_networks(runs: Path) -> None:
    run = runs / "train" / TRAINING
    (run / "result.json").unlink()
    first, second = sorted(path.parent for path in run.glob("*/result.json"))
    (second / "result.json").unlink()
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line).get("stage") == first.name]
    half = json.dumps({"event": "step", "version": 2, "stage": second.name, "tasks": 2, "loss": 1.0}) + "\n"
    (run / "events.jsonl").write_text("".join(kept) + half + '{"event": "st')
    found = record(runs, TRAINING)
    assert (found["state"], found["networks_done"], found["networks"]) == ("stopped", 1, 2)
    assert (found["done"], found["asked"], found["accuracy"]) == (4 + 2, 8, None)


def test_a_run_that_a_process_works_on_is_running(held: Path) -> None:
    found = record(held.parent)
    assert (found["state"], found["reason"]) == ("running", f"process {os.getpid()} on {os.uname().nodename}")
    assert found["wall_seconds"] >= 0
    assert "tnas resume" not in succeeding("runs", held.parent).stderr


def test_a_run_whose_process_was_killed_is_stopped(runs: Path) -> None:
    run = unfinished(runs / "search" / SEARCH)
    (run / f"{LOCK}.owner").write_text(json.dumps(gone()))
    found = record(runs)
    assert found["state"] == "stopped"
    assert found["reason"].endswith("is gone")
    assert (run / f"{LOCK}.owner").exists()


def _without(name: str, run: Path) -> None:
    (run / name).unlink()


def _changed(name: str, text: str, run: Path) -> None:
    (run / name).write_text(text)


def _with(run: Path, **changes: object) -> None:
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda run: _changed("run.json", "{", run), "not a run that can be continued"),
        (lambda run: (_without("run.json", run), _changed("events.jsonl", "", run)), "not a run that can be continued"),
        (lambda run: _with(run, version=3), "version 3"),
        (lambda run: _with(run, kind="x\x1b[2J"), "the kind 'x"),
        (lambda run: _with(run, settings={"tasks": "many"}), "does not hold what tnas wrote"),
        (lambda run: _without("settings.toml", run), "settings.toml is missing"),
        (lambda run: _changed("result.json", '{"event": "result"', run), "not JSON"),
        (lambda run: _changed("result.json", "", run), "does not hold one result"),
        (lambda run: _changed("genotypes.jsonl", '{"event": "genotype", "genotype": 5}', run), "genotype"),
        (lambda run: (_without("events.jsonl", run), (run / "events.jsonl").mkdir()), "events.jsonl"),
    ],
)
def test_a_broken_run_says_why_and_hides_no_other(damage: Any, reason: str, runs: Path) -> None:
    damage(unfinished(runs / "search" / SEARCH))
    found = record(runs)
    assert found["state"] == "broken"
    assert reason in found["reason"]
    assert record(runs, TRAINING)["state"] == "finished"
    shown = succeeding("runs", runs)
    assert "broken" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "tnas resume" not in shown.stderr


def test_a_run_of_version_0_1_has_its_result_in_its_log(runs: Path) -> None:
    run = runs / "search" / SEARCH
    for name in ("run.json", "result.json"):
        (run / name).unlink()
    assert (record(runs)["state"], record(runs)["done"]) == ("finished", 8)


def test_a_log_of_gigabytes_is_read_at_its_end_alone(runs: Path) -> None:
    log = unfinished(runs / "search" / SEARCH) / "events.jsonl"
    last = {"event": "step", "version": 2, "stage": "search", "tasks": 6, "loss": 1.0}
    with log.open("r+b") as file:
        file.truncate(3 * 2**30)  # a hole: nothing on the disk
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + json.dumps(last).encode() + b"\n")
    assert (record(runs)["state"], record(runs)["done"]) == ("stopped", 6)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--state", "finished"), [TRAINING]),
        (("--state", "running"), []),
        (("--method", "t-nas"), [SEARCH, TRAINING]),
        (("--method", "maml"), []),
        (("--dataset", "shapes", "--state", "stopped"), [SEARCH]),
        (("--dataset", "omniglot"), []),
        (("--sort", "cost"), [TRAINING, SEARCH]),
        (("--sort", "state"), [TRAINING, SEARCH]),
        (("--sort", "changed"), [SEARCH, TRAINING]),
    ],
)
def test_filters_and_sorting(options: tuple[str, ...], names: list[str], runs: Path) -> None:
    unfinished(runs / "search" / SEARCH)
    for path in (runs / "train" / TRAINING).rglob("*"):
        os.utime(path, (0, 0))
    ran = succeeding("runs", runs, *options, "--json")
    assert [Path(found["run"]).name for found in ran.records[:-1]] == names
    assert ran.result["found"] == 2


def test_the_best_comes_first(runs: Path) -> None:
    accuracies = [run.accuracy or 0 for run in list_runs(runs, sort="accuracy")[0]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(set(accuracies)) == 2


@pytest.mark.parametrize("columns", ["80", "200"])
def test_the_table_has_everything(columns: str, runs: Path) -> None:
    unfinished(runs / "search" / SEARCH)
    ran = tnas("runs", runs, environment={"COLUMNS": columns})
    assert all(len(line) <= int(columns) for line in ran.stdout.splitlines()[:-1])
    words = "".join(ran.stdout.split())
    whole = {"80": "train/", "200": f"train/{TRAINING}"}[columns]
    for part in (whole, "search/", "train-eval", "t-nas", "shapes3w1s", "stopped", "8/8tasks", "±", "ago"):
        assert part in words
    assert "2 runs in" in ran.stdout


def test_the_next_line_continues_the_newest_stopped_run(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("old", HOSTILE):
        shutil.copytree(pipeline.runs / SEARCH, tmp_path / "runs" / name)
        unfinished(tmp_path / "runs" / name)
    for path in (tmp_path / "runs" / "old").iterdir():
        os.utime(path, (0, 0))
    assert words_of(next_line(succeeding("runs"))) == [["resume", f"runs/{HOSTILE}"]]


def test_one_run_is_listed_alone(runs: Path) -> None:
    ran = succeeding("runs", runs / "search" / SEARCH)
    assert SEARCH in ran.stdout
    assert f"1 run in {runs}" in ran.stdout


def test_links_that_lead_back_end(runs: Path) -> None:
    (runs / "search" / "again").symlink_to(runs)
    (runs / "nowhere").symlink_to(runs / "none")
    assert succeeding("runs", runs, "--json").result["found"] == 2


def test_an_empty_folder_has_no_runs(tmp_path: Path) -> None:
    assert succeeding("runs", tmp_path).stdout == f"no runs in {tmp_path}\n"
    assert succeeding("runs", tmp_path, "--json").result["found"] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("none",), 3, "none does not exist"),
        (("file",), 3, "file is not a folder"),
        ((".", "--sort", "acuracy"), 2, "did you mean 'accuracy'"),
        ((".", "--state", "done"), 2, "known: broken, finished, running, stopped"),
    ],
)
def test_what_cannot_be_listed(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    ran = tnas("runs", *words)
    assert (ran.code, said in ran.stderr) == (code, True), ran.stderr
    assert "hint:" in ran.stderr


def test_nothing_is_written(held: Path) -> None:
    def state() -> dict[Path, float]:
        return {path: path.stat().st_mtime_ns for path in held.parent.rglob("*")}

    before = state()
    succeeding("runs", held.parent)
    assert state() == before


def test_settings_of_other_programs_are_no_runs_and_what_is_below_them_is_found(tmp_path: Path) -> None:
    run = tmp_path / "project" / "runs" / "search-1"
    run.mkdir(parents=True)
    (tmp_path / "project" / "settings.toml").write_text('theme = "dark"\n')
    (run / "settings.toml").write_text("way = 5\n")
    (run / "environment.json").write_text("{}\n")
    found = succeeding("runs", tmp_path, "--json")
    assert [record["run"] for record in found.records[:-1]] == [str(run)]
