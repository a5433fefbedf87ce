"""`tnas watch`: it tells what a run in another process does, until that ends, and leaves everything as it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Pipeline
from tests.pasting import HOSTILE, next_line, words_of
from tests.running import Ran, start, succeeding, tnas, unfinished
from tnas_cli.commands import watch as watching
from tnas_cli.records.run_list import WatchResult
from tnas_cli.runs.events import Event, Seen
from tnas_cli.runs.lock import NAME as LOCK
from tnas_cli.runs.lock import locked

SEARCH, TRAINING = "search-shapes-3w1s-t-nas-1", "train-eval-shapes-3w1s-t-nas-1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS_BETWEEN_LOOKS", 0.01)


@pytest.fixture
def search(pipeline: Pipeline, tmp_path: Path) -> Path:
    """A finished search."""
    return Path(shutil.copytree(pipeline.runs / SEARCH, tmp_path / SEARCH))


@pytest.fixture
def training(pipeline: Pipeline, tmp_path: Path) -> Path:
    """A finished training of two networks."""
    return Path(shutil.copytree(pipeline.runs / TRAINING, tmp_path / TRAINING))


def step(stage: str, unit: str = "tasks", **values: Any) -> str:
    """A line of a log; values: `done`, and the measurements by name."""
    return json.dumps({"event": "step", "version": 2, "stage": stage, unit: values.pop("done"), **values}) + "\n"


def held(run: Path) -> ExitStack:
    """This process works on the run until the stack is closed."""
    stack = ExitStack()
    stack.enter_context(locked(run))
    return stack


class Script:
    """What the process that works on a run does next, each time after the watcher told something; keeps what it
    told."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps: Iterator[Callable[[], object]] = iter(steps)
        self.seen: list[Seen] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Seen)
        self.seen.append(event)
        next(self.steps, lambda: None)()


def adding(run: Path, *lines: str) -> Callable[[], object]:
    """Lines are added to the log of a run."""

    def add() -> None:
        with (run / "events.jsonl").open("a") as file:
            file.write("".join(lines))

    return add


def begun(run: Path, *lines: str) -> tuple[ExitStack, str]:
    """The run as if it had logged these lines so far, and a process worked on it; and the result that it will have."""
    result = (run / "result.json").read_text()
    unfinished(run)
    (run / "events.jsonl").write_text("".join(lines))
    return held(run), result


def finishing(run: Path, stack: ExitStack, result: str) -> Callable[[], object]:
    """The run gets its result, and its process ends."""

    def finish() -> None:
        (run / "result.json").write_text(result)
        adding(run, result)()
        stack.close()

    return finish


def test_a_finished_run_is_said_at_once(search: Path, training: Path, pipeline: Pipeline) -> None:
    accuracy = 100 * pipeline.searched.result["validation_accuracy"]
    assert f"finished: validation accuracy {accuracy:.2f}" in succeeding("watch", search).stdout
    assert f"finished: accuracy {100 * pipeline.trained.result['mean']:.2f} ±" in succeeding("watch", training).stdout


def test_json_passes_the_log_on(search: Path) -> None:
    ran = succeeding("watch", search, "--json")
    logged = [json.loads(line) for line in (search / "events.jsonl").read_text().splitlines()]
    assert ran.records[:-1] == logged
    assert (ran.result["command"], ran.result["state"], ran.result["run"]) == ("watch", "finished", str(search))
    assert ran.result["accuracy"] == logged[-1]["validation_accuracy"]


def test_a_search_is_followed_until_it_is_finished(search: Path) -> None:
    stack, result = begun(search, step("search", done=2, loss=0.5, accuracy=0.25, entropy=1.0, **{"tasks/s": 2.0}))
    validated = {"event": "validated", "version": 2, "stage": "search", "tasks": 4, "accuracy": 0.75, "interval": 0.1}
    script = Script(
        adding(search, '{"event": "step", "ver'),  # half a line
        finishing(search, stack, result),
    )
    records = []
    for record in watching.watch(search, listener=script):
        records.append(record)
        if len(records) == 1:
            (search / "events.jsonl").write_text((search / "events.jsonl").read_text() + json.dumps(validated) + "\n")
    *_, last = records
    assert [(seen.stage, seen.done, seen.asked, seen.unit, seen.left) for seen in script.seen] == [
        ("search", 2, 8, "tasks", 3.0),
        ("search", 4, 8, "tasks", 2.0),
    ]
    assert script.seen[-1].values == {"loss": 0.5, "accuracy": 0.25, "tasks/s": 2.0, "validation": 0.75}
    assert isinstance(last, WatchResult) and last.state == "finished"


def test_each_network_of_a_training_is_a_stage(training: Path) -> None:
    kept = {path.parent: path.read_text() for path in training.glob("*/result.json")}
    first, second = sorted(kept)
    stack, result = begun(training, step(first.name, done=2, loss=1.0))
    script = Script(
        lambda: None,
        lambda: (first / "result.json").write_text(kept[first]),
        adding(training, step(second.name, done=1, loss=2.0)),
        lambda: (second / "result.json").write_text(kept[second]),
        finishing(training, stack, result),
    )
    *_, last = watching.watch(training, listener=script)
    assert [(seen.stage, seen.done, seen.asked) for seen in script.seen] == [
        (first.name, 2, 4),
        ("networks", 0, 2),
        ("networks", 1, 2),
        (second.name, 1, 4),
        ("networks", 2, 2),
    ]
    assert isinstance(last, WatchResult)
    assert (last.state, last.measured_on) == ("finished", "test")


def _of_another_kind(run: Path, kind: str, **settings: object) -> ExitStack:
    """The run as if it were one of another kind."""
    values = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(values | {"kind": kind, "settings": settings}))
    return begun(run)[0]


def test_a_supervised_run_is_followed_by_its_networks(search: Path) -> None:
    stack = _of_another_kind(search, "supervised", tasks=2)
    (search / "events.jsonl").unlink()
    (search / "networks").mkdir()
    cells = {"normal": [], "reduce": []}
    found = {"genotypes": [[cells], [cells, {"normal": [1], "reduce": []}]]}
    script = Script(
        lambda: (search / "found.json").write_text(json.dumps(found)),
        lambda: (search / "networks" / "ab.json").write_text("{}"),
        stack.close,
    )
    *_, last = watching.watch(search, listener=script)
    assert [(seen.done, seen.asked) for seen in script.seen] == [(0, None), (0, 2), (1, 2)]
    assert script.seen[-1].left is not None
    assert isinstance(last, WatchResult) and last.state == "stopped"


def test_a_transfer_knows_its_batches_after_an_epoch(search: Path) -> None:
    stack = _of_another_kind(search, "transfer", epochs=3, dataset="cifar10")
    epoch = {"event": "validated", "version": 2, "stage": "ab", "batches": 10, "accuracy": 0.5, "interval": 0.1}
    script = Script(lambda: None, adding(search, json.dumps(epoch) + "\n"), stack.close)
    adding(search, step("ab", "batches", done=5, loss=2.0, **{"batches/s": 5.0}))()
    assert list(watching.watch(search, listener=script))
    assert [(seen.stage, seen.done, seen.asked, seen.unit, seen.left) for seen in script.seen] == [
        ("ab", 5, None, "batches", None),
        ("networks", 0, None, "networks", None),
        ("ab", 10, 30, "batches", 4.0),
    ]


def test_a_stopped_run_can_be_continued(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pipeline.runs / SEARCH, HOSTILE)
    unfinished(HOSTILE)
    ran = succeeding("watch", f"./{HOSTILE}")
    assert ran.stdout == "stopped: no process works on it\n"
    assert words_of(next_line(ran)) == [["resume", f"./{HOSTILE}"]]


def test_a_run_whose_process_was_killed_is_gone(search: Path) -> None:
    unfinished(search)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = {"pid": int(done.stdout), "host": os.uname().nodename, "began": "1"}
    (search / f"{LOCK}.owner").write_text(json.dumps(left))
    assert succeeding("watch", search, "--json").result["state"] == "gone"
    assert "its process is gone" in succeeding("watch", search).stdout


def test_nothing_is_written_and_the_lock_stays(search: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in (search, *search.rglob("*"))}

    before = state()
    succeeding("watch", search)
    assert state() == before
    stack, _ = begun(search, step("search", done=2, loss=0.5))
    before = state()
    script = Script()
    records = watching.watch(search, listener=script)
    next(records)
    assert state() == before
    stack.close()
    assert not (search / LOCK).exists()


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_ctrl_c_leaves_the_run_and_is_no_failure(words: tuple[str, ...], search: Path) -> None:
    stack, _ = begun(search, step("search", done=2, loss=0.5, **{"tasks/s": 2.0}))
    with stack:
        process = start("watch", search, *words, cwd=search.parent)
        heard = process.stdout if words else process.stderr
        assert heard is not None
        assert "search" in heard.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert (search / LOCK).exists()
    if words:
        assert Ran(0, out, err).result["state"] == "running"
    else:
        assert out == f"{search} goes on\n"
        assert f"next: tnas watch {search}" in err


def test_lines_say_what_is_reached(search: Path) -> None:
    unfinished(search)
    (search / "events.jsonl").write_text(step("search", done=2, loss=0.5, accuracy=0.25, theta=0.2, **{"tasks/s": 2.0}))
    ran = succeeding("watch", search)
    assert "search: 2/8 tasks  3 s left  loss 0.5  accuracy 0.25  tasks/s 2\n" in ran.stderr
    assert succeeding("watch", search, "--quiet").stderr == ""


def test_bars_fit_a_terminal_of_80_columns(search: Path) -> None:
    unfinished(search)
    values = {"loss": 0.12345, "accuracy": 0.98765, "validation": 0.98765, "tasks/s": 0.12345}
    (search / "events.jsonl").write_text(step("search", done=2, **values))
    terminal = {"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    shown = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", tnas("watch", search, environment=terminal).stderr)
    for part in ("search", "2/8 tasks  49 s left", "loss 0.123  accuracy 0.988  validation 0.988  tasks/s 0.123"):
        assert part in shown
    assert "…" not in shown


def test_lines_that_are_no_records_are_passed_over(search: Path) -> None:
    log = search / "events.jsonl"
    whole = log.read_text()
    log.write_text("[1, 2]\n\x00\n{\n" + '{"event": "step", "version": 2, "stage": 5}\n' + whole)
    ran = succeeding("watch", search, "--json")
    assert ran.records[:-1] == [json.loads(line) for line in whole.splitlines()]


@pytest.mark.parametrize("name", ["none", "empty", "file"])
def test_what_is_no_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("file").touch()
    for words in ((), ("--json",)):
        ran = tnas("watch", name, *words)
        assert (ran.code, ran.stdout) == (3, "")
        assert ("does not exist" if name == "none" else "is not a run") in ran.stderr
        assert "hint:" in ran.stderr


@pytest.mark.parametrize(
    ("file", "text"),
    [("run.json", "{"), ("result.json", "{"), ("run.json", '{"version": 3}'), ("result.json", "")],
)
def test_a_damaged_run_is_named(file: str, text: str, search: Path) -> None:
    (search / file).write_text(text)
    ran = tnas("watch", search)
    assert (ran.code, str(search) in ran.stderr, "hint:" in ran.stderr) == (3, True, True)
