"""Work in several processes: all of it is done, errors and Ctrl-C stop all processes, and none is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tnas_cli.errors import DataError, TnasError
from tnas_cli.runs.events import Event, Note, Progress
from tnas_cli.runs.interrupt import StoppedError, stop_request
from tnas_cli.scale.processes import side_by_side

Listener = Callable[[Event], None]


class Write:
    """Writes a file per item, with the process that did it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int, listener: Listener) -> None:
        listener(Note(str(os.getpid())))
        (self.folder / str(item)).write_text("done")


class Fail(Write):
    """Item 1 fails; the others work until they are asked to stop, and save then."""

    error: BaseException = DataError("no images.", hint="add some")

    def __call__(self, item: int, listener: Listener) -> None:
        if item == 1:
            raise self.error
        with stop_request() as stop:
            listener(Note("working"))
            for _ in range(600):
                listener(Progress("work", 0, 1, "steps"))
                if stop:
                    (self.folder / str(item)).write_text("saved")
                    raise StoppedError
                time.sleep(0.05)


class Break(Fail):
    """Item 1 fails with an unexpected error."""

    error = ZeroDivisionError("by zero")


class Die(Fail):
    """The process of item 1 ends abruptly."""

    def __call__(self, item: int, listener: Listener) -> None:
        if item == 1:
            os._exit(9)
        super().__call__(item, listener)


class Patient(Fail):
    """No item fails."""

    def __call__(self, item: int, listener: Listener) -> None:
        super().__call__(item + 2, listener)


def test_every_item_is_done_once(tmp_path: Path) -> None:
    heard: list[tuple[int, Event]] = []
    asked: list[int] = []

    def items():
        for item in range(5):
            asked.append(item)
            assert item - len(list(tmp_path.iterdir())) < 2, "an item was asked for before a process was free"
            yield item

    side_by_side(Write(tmp_path), items(), 2, lambda item, event: heard.append((item, event)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]
    assert asked == [0, 1, 2, 3, 4]
    assert sorted(item for item, _ in heard) == [0, 1, 2, 3, 4]
    pids = {event.text for _, event in heard if isinstance(event, Note)}
    assert 1 <= len(pids) <= 2
    assert str(os.getpid()) not in pids


@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (Fail, DataError, "no images"),
        (Break, TnasError, "ZeroDivisionError: by zero"),
        (Die, TnasError, "ended unexpectedly .exit code 9."),
    ],
)
def test_one_failure_stops_the_others_which_save(
    tmp_path: Path, work: type[Write], kind: type[TnasError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        side_by_side(work(tmp_path), iter([0, 1]), 2, lambda item, event: None)
    assert caught.value.hint
    assert (tmp_path / "0").read_text() == "saved"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_passed_on_and_all_save(tmp_path: Path, number: signal.Signals) -> None:
    begun: set[int] = set()

    def heard(item: int, event: Event) -> None:
        begun.add(item)
        if len(begun) == 2 and not begun.issuperset({-1}):
            begun.add(-1)
            threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    with pytest.raises(StoppedError):
        side_by_side(Patient(tmp_path), iter([0, 1]), 2, heard)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["saved", "saved"]


class Endless(Write):
    """Says who it is and works on, without a word."""

    def __call__(self, item: int, listener: Listener) -> None:
        (self.folder / str(item)).write_text(str(os.getpid()))
        time.sleep(600)


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    """Killed without a word, it leaves nobody who would still write into the run."""
    code = (
        "from pathlib import Path; from tests.scale.test_processes import *\n"
        f"if __name__ == '__main__': side_by_side(Endless(Path({str(tmp_path)!r})), iter([0, 1]), 2, print)"
    )
    (tmp_path / "script.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, tmp_path / "script.py"], env=environment)
    files, begin = [tmp_path / "0", tmp_path / "1"], time.monotonic()
    while not all(file.is_file() and file.read_text() for file in files):
        assert parent.poll() is None and time.monotonic() - begin < 120
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    for pid in (int(file.read_text()) for file in files):
        while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
            assert time.monotonic() - begin < 240
            time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
