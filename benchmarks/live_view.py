"""What the live view of a search costs: processor time of drawing it on a terminal, as a share of one core.

    python benchmarks/live_view.py [--seconds 10] [--step 0.15]

Sends the view what a search sends it, a step every 0.15 s, on a pseudo-terminal, and does nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import os
import pty
import sys
import threading
import time
from contextlib import suppress

from rich.console import Console

from tnas_cli.cli.console import Screen
from tnas_cli.runs import events

VALUES = {
    "loss": 0.4213,
    "accuracy": 0.8667,
    "theta": 0.1544,
    "entropy": 0.9941,
    "skips": 3.0,
    "pools": 5.0,
    "validation": 0.8823,
    "tasks/s": 26.41,
}


def share_of_a_core(seconds: float = 10.0, step: float = 0.15) -> float:
    """Processor time of the whole process, including the drawing thread, divided by the elapsed time."""
    reader, writer = pty.openpty()
    threading.Thread(target=_read_all, args=(reader,), daemon=True).start()
    screen = Screen()
    with os.fdopen(writer, "w", encoding="utf-8") as terminal:
        screen.words = Console(file=terminal, force_terminal=True, width=140, highlight=False, soft_wrap=True)
        with screen.progress() as listener:
            begin, used, done = time.monotonic(), time.process_time(), 0
            while (now := time.monotonic()) - begin < seconds:
                done += 4
                listener(events.Progress("search", done, 50_000, "tasks", VALUES))
                time.sleep(step)
            used = time.process_time() - used
    return used / (now - begin)


def _read_all(descriptor: int) -> None:
    with suppress(OSError):
        while os.read(descriptor, 1 << 16):
            pass


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--step", type=float, default=0.15)
    options = arguments.parse_args()
    share = share_of_a_core(options.seconds, options.step)
    sys.stdout.write(f"the live view takes {share:.2%} of one core, at a step every {options.step:g} s\n")


if __name__ == "__main__":
    main()
