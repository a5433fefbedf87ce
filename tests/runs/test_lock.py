"""One process at a time, with the locks of the file system or without."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tnas_cli.errors import TnasError
from tnas_cli.runs import lock
from tnas_cli.runs.lock import BusyError, locked, one_process

NO_LOCKS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS]


@pytest.fixture(params=[None, *NO_LOCKS], ids=["locks", "ENOLCK", "EOPNOTSUPP", "ENOSYS"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has locks, and some that have not."""
    if request.param is not None:

        def flock(descriptor: int, operation: int) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("file_system")
def test_the_second_of_two_is_told_who_is_the_first(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(TnasError, match=f"process {os.getpid()} on {platform.node()}"),
        locked(tmp_path),
    ):
        raise AssertionError("both hold it")
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("file_system")
def test_who_waits_goes_on_when_the_first_is_done(tmp_path: Path) -> None:
    order, told, inside = [], [], threading.Event()

    def first() -> None:
        with one_process(tmp_path / "lock"):
            inside.set()
            while not told:
                time.sleep(0.01)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with one_process(tmp_path / "lock", told.append):
        order.append("second")
    thread.join()
    assert order == ["first", "second"] and len(told) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


def ended() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("without_locks")
def test_what_a_killed_process_left_does_not_block(tmp_path: Path) -> None:
    for named in (
        {"pid": ended(), "host": platform.node(), "began": "1"},
        {"pid": os.getpid(), "host": platform.node(), "began": "another one of this number"},
    ):
        (tmp_path / "lock.owner").write_text(json.dumps(named))
        with one_process(tmp_path / "lock"):
            assert json.loads((tmp_path / "lock.owner").read_text())["pid"] == os.getpid()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize("content", [json.dumps({"pid": 1, "host": "another", "began": "1"}), "", "{", "[]"])
def test_what_may_be_alive_is_not_taken_away(tmp_path: Path, content: str) -> None:
    owner = tmp_path / "lock.owner"
    owner.write_text(content)
    os.utime(owner, (0, time.time() - 3 * 3600 - 60))
    with pytest.raises(BusyError) as caught, one_process(tmp_path / "lock"):
        raise AssertionError("taken away")
    assert owner.read_text() == content
    assert caught.value.hint.endswith(f"it began 3 hours ago; if it no longer exists: rm {owner}")


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (5, "5 s"), (61, "1 minute"), (7300, "2 hours"), (90000, "1 day")]
)
def test_ages(seconds: int, words: str) -> None:
    assert lock.age(seconds) == words


def test_a_live_owner_that_came_meanwhile_is_put_back(tmp_path: Path) -> None:
    owner = tmp_path / "lock.owner"
    owner.write_text(json.dumps(lock._self()))
    lock._take_away(owner)
    assert json.loads(owner.read_text()) == lock._self()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_needs_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: (_ for _ in ()).throw(OSError(number, "no")))
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_any_other_failure_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_, **__: (_ for _ in ()).throw(OSError(24, "files")))
    with pytest.raises(TnasError, match="Too many open files"), locked(tmp_path):
        raise AssertionError("not locked")


@pytest.mark.usefixtures("file_system")
def test_a_signal_while_the_lock_is_taken_leaves_nothing_that_blocks(tmp_path: Path) -> None:
    """It comes when the process is named, the last thing before the block."""
    real, calls = lock._self, 0

    def interrupted() -> dict[str, object]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        return real()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "_self", interrupted)
        with pytest.raises(KeyboardInterrupt), locked(tmp_path):
            raise AssertionError("the block was entered")
    assert not list(tmp_path.glob("*.owner"))
    with locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("file_system")
def test_who_is_refused_takes_nothing_from_another_thread(tmp_path: Path) -> None:
    with locked(tmp_path):
        held = sorted(path.name for path in tmp_path.iterdir())
        with pytest.raises(TnasError), locked(tmp_path):
            raise AssertionError("the block was entered")
        assert sorted(path.name for path in tmp_path.iterdir()) == held
    assert not list(tmp_path.iterdir())
