"""Temporary files that say whether somebody still writes them.

A process holds a lock on each of its temporary files. The system drops the lock when the process ends, however it ends:
a temporary file that nobody holds was left by a process that was killed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

if sys.platform != "win32":
    import fcntl

ENDING = ".part"


@contextmanager
def held(partial: Path) -> Iterator[None]:
    """Make the temporary file, or hold the temporary folder that is there, within the block; raises OSError.

    On Windows, which renames no open file, nothing is held, and nothing is taken for left.
    """
    if sys.platform == "win32":
        yield
        return
    how = os.O_RDONLY if partial.is_dir() else os.O_RDWR | os.O_CREAT | os.O_EXCL
    descriptor = os.open(partial, how, 0o666)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def discard(partial: Path) -> None:
    """Remove a temporary file or folder, if it is there and can be removed; a Ctrl-C meanwhile waits for that."""
    try:
        _discard(partial)
    except KeyboardInterrupt:
        _discard(partial)
        raise


def _discard(partial: Path) -> None:
    with suppress(OSError):
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def remove_left(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files and folders that killed processes left in a folder: those of the file `name`, or all.

    What cannot be judged or removed stays.
    """
    for left in folder.glob(f".{'*' if name is None else escape(name)}.*{ENDING}"):
        with suppress(OSError):
            if _is_left(left):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_left(partial: Path) -> bool:
    if sys.platform == "win32":
        return False
    descriptor = os.open(partial, os.O_RDONLY if partial.is_dir() else os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
