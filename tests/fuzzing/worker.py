"""A process that reads one input after the other: it is given numbers on stdin, and says on stdout how each ended.

It may be killed by an input: by the time limit, by the memory limit, or by a library that crashes. Its parent knows
which input that was.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzzing.examples import KINDS, Example, made
from tests.fuzzing.readers import read
from tnas_cli.errors import TnasError

SECONDS = 5.0  # of computing, for one input
MEMORY = 2**30  # that one input may take beyond what the process holds
ROOM = 4 * 2**30  # where an allocation fails
CODES = {0, 1, 2, 3, 4, 5, 130}
ROOT = str(Path(__file__).parents[2])


def tried(kind: str, seed: int, index: int, examples: list[Example]) -> dict[str, object]:
    """How the `index`-th input ended: `ok`, the name of a TnasError, or a finding with its place in the code."""
    with warnings.catch_warnings(action="ignore"):
        return _tried(*made(kind, seed, index, examples), index)


def _tried(example: Example, content: bytes, index: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as outer:
        folder = Path(outer) / "in"
        folder.mkdir()
        os.chdir(folder)
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins here
        before = _memory("VmRSS")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read(example, content, folder)
            how = {"end": "ok"}
        except TnasError as error:
            documented = error.exit_code in CODES and error.message and error.hint
            how = {"end": type(error).__name__} if documented else {"finding": f"undocumented {error!r}"}
        except (Exception, SystemExit) as error:
            how = {"finding": f"{type(error).__name__} in {_place(error)}", "text": str(error)[:300]}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        peak = _memory("VmHWM") - before
        canaries = [path for path in Path(outer).rglob("*canary*") if path.exists()]
        os.chdir("/")
        if canaries or [path.name for path in Path(outer).iterdir()] != ["in"]:
            how = {"finding": "something in the input was executed, or written outside of its folder"}
        if peak > MEMORY:
            how = {"finding": f"{peak / 2**20:.0f} MB of memory ({example.reader})"}
    return {"index": index, "reader": example.reader, **how}


def _memory(name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def _place(error: BaseException) -> str:
    """The innermost function of tnas."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "tnas_cli" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "no function of tnas"


def main(kind: str, seed: int) -> None:
    """Read the inputs whose numbers stand on stdin."""
    examples = KINDS[kind]()
    room = ROOM + os.sysconf("SC_PAGE_SIZE") * int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(tried(kind, seed, int(line), examples)), file=out, flush=True)
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
