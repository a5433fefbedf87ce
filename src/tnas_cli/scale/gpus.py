"""One unit of work for each GPU of a machine: a process takes a free one for as long as it lives.

Processes that know nothing of each other, such as the workers of a cluster, share a machine's GPUs by locked files.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tnas_cli.runs.events import Listener, Note
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.runs.lock import BusyError, one_process

SECONDS_BETWEEN_LOOKS = 0.2


def count() -> int:
    """How many GPUs this process sees; asking does not use one."""
    import torch

    return torch.cuda.device_count()


def folder() -> Path:
    """Where this user's processes say which GPUs are taken."""
    who = os.getuid() if hasattr(os, "getuid") else "all"
    return Path(tempfile.gettempdir()) / f"tnas-gpus-{who}"


@contextmanager
def one_gpu(stopped: Callable[[], object], listener: Listener) -> Iterator[int | None]:
    """Hold a GPU within the block and compute on it; None where there is at most one, which needs no choice. Waits for
    a free one, which the listener hears; raises StoppedError if a stop was asked for before."""
    available = count()
    if available < 2:
        yield None
        return
    folder().mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        number = _taken(stack, available, stopped, listener)
        compute_on(number)
        yield number


def _taken(stack: ExitStack, available: int, stopped: Callable[[], object], listener: Listener) -> int:
    said = False
    while not stopped():
        for number in range(available):
            with suppress(BusyError):
                stack.enter_context(one_process(folder() / f"{_name(number)}.lock"))
                return number
        if not said:
            listener(Note("waiting for a free GPU"))
            said = True
        time.sleep(SECONDS_BETWEEN_LOOKS)
    raise StoppedError


def compute_on(number: int) -> None:
    """From now on `cuda` means this GPU."""
    import torch

    torch.cuda.set_device(number)


def _name(number: int) -> str:
    """Of a GPU of the machine, whichever of them this process sees."""
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (seen[number].strip() if number < len(seen) else str(number)).replace("/", "_")
