"""One process at a time works on a run, or prepares a data set.

The operating system frees a lock when its process ends, however that ends. Some file systems have no locks; there, a
file that is made exclusively names its owner, and one whose process is gone is taken over.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tnas_cli.errors import TnasError
from tnas_cli.plain import NOT_AS_WRITTEN, json_value
from tnas_cli.runs.files import cannot_write
from tnas_cli.runs.held import discard
from tnas_cli.spelling import command

NAME = ".lock"
SECONDS_BETWEEN_LOOKS = 0.1
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class BusyError(Exception):
    """Another process holds the lock: `holder` says which one, and `hint` what helps.

    by_file: only the file `owner` says so, which stays where a process of another machine was killed.
    """

    def __init__(self, owner: Path, *, by_file: bool = False) -> None:
        self.holder = _holder(owner)
        self.hint = "wait for it, or stop it with Ctrl-C there and resume it afterwards"
        if by_file:
            self.hint += f"; {_if_gone(owner)}"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run within the block; raises TnasError that names the process that already holds it.

    A folder that cannot be written needs no lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(one_process(run / NAME))
        except BusyError as busy:
            raise TnasError(
                f"{run} is running already: {busy.holder} works on it.",
                hint=busy.hint,
            ) from None
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise cannot_write(run / NAME, error) from error
        yield


@contextmanager
def one_process(file: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock `file` within the block; both it and the file that names its owner are gone afterwards.

    If another process holds it: `waiting` is told which one, and this one waits; without `waiting`, BusyError is
    raised. Raises OSError where the lock cannot be made.
    """
    owner, lock = file.with_name(f"{file.name}.owner"), FileLock(file)
    others = False
    try:
        try:
            _hold(lock, owner, waiting)
        except BusyError:
            others = True  # perhaps another thread of this process
            raise
        yield
    finally:
        # A signal may have come at any point above, so what is held is looked at.
        if not others and (lock.is_locked or _is_ours(owner)):
            # Removed while the lock is held: a waiting process finds that its open file is unnamed, and tries again.
            for left in (file, owner):
                discard(left)
            with suppress(OSError):  # its file is gone already
                lock.release()


@dataclass(frozen=True)
class Holder:
    """The process that a lock's file names: `name` in words; `since`, when it took the lock (seconds of the epoch);
    `gone`, whether it has ended without giving the lock back."""

    name: str
    since: float
    gone: bool


def holder_of(run: Path) -> Holder | None:
    """Who works on a run, or was killed at it; None where nobody does. The lock is neither taken nor tried.

    A process of another machine counts as working: nothing is known of it.
    """
    owner = run / f"{NAME}.owner"
    try:
        since = owner.stat().st_mtime
    except OSError:
        return None
    found = Holder(_holder(owner), since, _is_gone(owner))
    return found if owner.exists() else None  # it may have been given back in between


def _hold(lock: Any, owner: Path, waiting: Callable[[str], None] | None) -> None:
    """Take the lock, or the file where there are no locks, and name this process in the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where a system call is missing, filelock says what it does instead
            _acquire(lock, owner, waiting)
        with suppress(OSError):  # it is only for messages: the lock is held
            owner.write_text(json.dumps(_self()), encoding="utf-8")
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        _own(owner, waiting)


def _acquire(lock: Any, owner: Path, waiting: Callable[[str], None] | None) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting is None:
            raise BusyError(owner) from None
        waiting(_holder(owner))
        lock.acquire()


def _own(owner: Path, waiting: Callable[[str], None] | None) -> None:
    """Make the file that names this process; raises BusyError, or waits, while it names another one that lives."""
    told = False
    while True:
        try:
            with owner.open("x", encoding="utf-8") as file:
                try:
                    json.dump(_self(), file)
                except BaseException:  # a file that names nobody would block for ever
                    discard(owner)
                    raise
            return
        except FileExistsError:
            pass
        if _is_gone(owner):
            _take_away(owner)
            continue
        if waiting is None:
            raise BusyError(owner, by_file=True)
        if not told:
            waiting(f"{_holder(owner)} ({_if_gone(owner)})")
            told = True
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _take_away(owner: Path) -> None:
    """Remove the file of a process that is gone, unless another process has just put its own there."""
    aside = owner.with_name(f"{owner.name}.{uuid.uuid4().hex[:8]}")
    with suppress(FileNotFoundError):
        owner.rename(aside)
        aside.unlink() if _is_gone(aside) else aside.rename(owner)


def _is_ours(owner: Path) -> bool:
    """Whether the file names this process."""
    try:
        return bool(json_value(owner.read_text(encoding="utf-8")) == _self())
    except (OSError, *NOT_AS_WRITTEN):
        return False


def _self() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": platform.node(), "began": _began(os.getpid())}


def _began(pid: int) -> str | None:
    """When a process of this machine began, which tells it from a later one of the same number; None if unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError, UnicodeDecodeError):
        return None


def _is_gone(owner: Path) -> bool:
    """Whether the file names a process of this machine that has ended; of another machine's nothing is known."""
    try:
        named = json_value(owner.read_text(encoding="utf-8"))
        pid = int(named["pid"])
        if named["host"] != platform.node():
            return False
        os.kill(pid, 0)
        return bool(named.get("began") != _began(pid))
    except ProcessLookupError:
        return True
    except (OSError, *NOT_AS_WRITTEN):
        return False


def _if_gone(owner: Path) -> str:
    try:
        began = f"it began {age(time.time() - owner.stat().st_mtime)} ago; "
    except OSError:
        began = ""
    return f"{began}if it no longer exists: {command('rm', owner)}"


def age(seconds: float) -> str:
    """A time in its largest unit alone, as '3 hours'."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return f"{max(0, int(seconds))} s"


def _holder(owner: Path) -> str:
    try:
        holder = json_value(owner.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, *NOT_AS_WRITTEN):
        return "another process"
