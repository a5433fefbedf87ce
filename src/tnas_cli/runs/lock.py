"""One process at a time works on a run."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tnas_cli.errors import TnasError

NAME, HOLDER = ".lock", ".holder.json"


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run within the block; raises TnasError that names the process that already holds it.

    The lock ends with the process, however that ends. On a file system without locks nothing is locked.
    """
    lock = FileLock(run / NAME, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise TnasError(
            f"{run} is running already: {_holder(run)} works on it.",
            hint="wait for it, or stop it with Ctrl-C there and resume it afterwards",
        ) from None
    except (OSError, NotImplementedError):
        yield
        return
    try:
        (run / HOLDER).write_text(json.dumps({"pid": os.getpid(), "host": platform.node()}), encoding="utf-8")
        yield
    finally:
        # Removed while the lock is held: nobody else can hold a file that is about to go.
        (run / HOLDER).unlink(missing_ok=True)
        (run / NAME).unlink(missing_ok=True)
        lock.release()


def _holder(run: Path) -> str:
    try:
        holder = json.loads((run / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
