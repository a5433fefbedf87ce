"""Compiles kernels in processes of their own and keeps them on disk, because Numba itself compiles on one core.

    python -m tnas_cli.engines.fused.ahead DTYPE

reads [[name, [constant, ...]], ...] as one line of JSON, and ends with its input: it does not outlive its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tnas_cli.engines.fused.catalogue import compiled_and_kept
from tnas_cli.engines.fused.kernels import Kernel
from tnas_cli.engines.fused.machine import UnavailableError, kernels_kept


@contextmanager
def compiled_ahead(dtype: str, shares: Sequence[Sequence[Kernel]]) -> Iterator[None]:
    """Within the block, a process for each share compiles its kernels.

    Nothing is promised: whoever needs a kernel takes it from the disk or compiles it, and meets the errors there.
    """
    children = [child for share in shares if (child := _started(dtype, share)) is not None]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _started(dtype: str, share: Sequence[Kernel]) -> subprocess.Popen[str] | None:
    """A process that compiles a share; None where no process can be started."""
    places = os.pathsep.join(place for place in sys.path if place)
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "tnas_cli.engines.fused.ahead", dtype],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": places},
            text=True,
        )
    except OSError:
        return None
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps([(kernel.name, kernel.constants) for kernel in share]) + "\n")
        child.stdin.flush()
    except OSError:  # it has ended already
        pass
    return child


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Compile what the parent asks for."""
    wanted = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with kernels_kept() as folder:
            for name, constants in wanted:
                compiled_and_kept(Kernel(name, tuple(constants)), sys.argv[1], folder)
    except UnavailableError:
        sys.exit(1)  # the parent says so


if __name__ == "__main__":
    main()
