"""What a command takes before its work begins: wall time and peak memory of whole processes.

    python benchmarks/startup.py [--repeats 9]

Every command runs in its own process, interleaved with the others, after one round that fills the caches of the
operating system and of compiled kernels. Prints medians in the form of the table in benchmarks/startup.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.running import task_folder

#: The target of each command: seconds, and megabytes if any.
AIMS: dict[str, tuple[float, float | None]] = {
    "import tnas_cli": (0.2, None),
    "tnas --help": (0.5, None),
    "tnas decode DARTS_V2": (0.7, None),
    "tnas report RUN": (1.0, None),
    "tnas adapt CHECKPOINT TASK": (3.5, 600),
}
SMALL = ("--way", "5", "--shot", "1", "--tasks", "4", "--validate-every", "4", "--validation-tasks", "2")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=9)
    repeats = arguments.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        commands = commands_in(Path(folder))
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(repeats + 1):
            for name, words in commands.items():
                taken = run(words)
                if turn:
                    measured[name].append(taken)
    print("| command | seconds | target | peak memory, MB | target |\n| --- | --- | --- | --- | --- |")
    for name, found in measured.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*found, strict=True))
        in_time, in_memory = AIMS[name]
        print(f"| `{name}` | {seconds:.2f} | {in_time} | {megabytes:.0f} | {in_memory or ''} |")


def commands_in(folder: Path) -> dict[str, Sequence[str]]:
    """The command lines. Makes a run to report, and a task of 5 classes to adapt to, in the folder."""
    tnas = (sys.executable, "-m", "tnas_cli")
    runs, task = folder / "runs", folder / "task"
    subprocess.run(
        (*tnas, "search", "--dataset", "glyphs", *SMALL, "--runs", str(runs)), check=True, capture_output=True
    )
    (searched,) = runs.iterdir()
    training = ("train-eval", "DARTS_V2", "--dataset", "glyphs", *SMALL, "--test-tasks", "4", "--channels", "8")
    subprocess.run((*tnas, *training, "--runs", str(folder / "trained")), check=True, capture_output=True)
    (trained,) = (folder / "trained").iterdir()
    task_folder(task, range(5), query=3)
    return {
        "import tnas_cli": (sys.executable, "-c", "import tnas_cli"),
        "tnas --help": (*tnas, "--help"),
        "tnas decode DARTS_V2": (*tnas, "decode", "DARTS_V2"),
        "tnas report RUN": (*tnas, "report", str(trained)),
        "tnas adapt CHECKPOINT TASK": (*tnas, "adapt", str(searched / "best.pt"), str(task)),
    }


def run(words: Sequence[str]) -> tuple[float, float]:
    """The wall seconds and the peak memory in MB of one process."""
    begin = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"failed: {' '.join(words)}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
