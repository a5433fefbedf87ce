"""What a search keeps of its speed beside another program that is busy on one core.

    python benchmarks/neighbour.py [--seconds 6] [--rounds 9]

In turn, with the other program stopped and running: search steps with their outer update (28 px, 1-shot), on as many
threads as there are cores. Prints tasks per second of both, and the median of the ratios, round by round. Of two cores,
a core and a half are left: 75%.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tnas_cli.__main__ import let_threads_sleep  # noqa: E402

let_threads_sleep()

from benchmarks.cases import search  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.update import outer  # noqa: E402


def outer_steps() -> tuple[Callable[[], None], int]:
    """An outer step of a search, and how many tasks it has."""
    case, engine = search(1, 28, 1, 0, 0), FusedEngine()
    parameters, support, query = case.inputs()
    optimiser = outer.adam(parameters, {}, outer.AdamRule(1e-4))

    def step() -> None:
        found = engine.meta_gradient(case.network, parameters, support, query, case.rule)
        outer.step(optimiser, parameters, found.gradients)

    return step, case.tasks


def speed(step: Callable[[], None], tasks: int, seconds: float) -> float:
    """Tasks per second."""
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        step()
        steps += 1
    return steps * tasks / (time.perf_counter() - begin)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=6)
    arguments.add_argument("--rounds", type=int, default=9)
    options = arguments.parse_args()
    Machine().start()
    step, tasks = outer_steps()
    step()
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = []
        for _ in range(options.rounds):
            other.send_signal(signal.SIGSTOP)
            alone = speed(step, tasks, options.seconds)
            other.send_signal(signal.SIGCONT)
            found.append((alone, speed(step, tasks, options.seconds)))
    finally:
        other.kill()
    ratios = [beside / alone for alone, beside in found]
    print(f"alone: {statistics.median(alone for alone, _ in found):.1f} tasks/s")
    print(f"beside another program: {statistics.median(beside for _, beside in found):.1f} tasks/s")
    print(f"kept: {statistics.median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})")


if __name__ == "__main__":
    main()
