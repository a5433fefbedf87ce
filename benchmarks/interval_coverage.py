"""How often intervals of crossed designs cover the truth: python benchmarks/interval_coverage.py

Simulated studies of genotypes x tasks with known truth: standard deviations of 5 points for tasks and 5 for the rest,
and for genotypes as printed. Beside it, the interval over tasks alone.
"""

from __future__ import annotations

import sys

import numpy as np

from tnas_cli.intervals import crossed

STUDIES = 2000


def main() -> None:
    """One line per design."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES
    print(
        f"{studies} studies each, seed 0\n\n| genotypes | tasks | sd | crossed | tasks alone |\n|---|---|---|---|---|"
    )
    for genotypes in (2, 3, 4, 8, 24, 100, 600):
        for tasks in (100, 600):
            for deviation in (0.3, 0.6, 2.0):
                both, alone = _coverage(studies, genotypes, tasks, deviation)
                print(f"| {genotypes} | {tasks} | {deviation} | {both:.1f} | {alone:.1f} |", flush=True)


def _coverage(studies: int, genotypes: int, tasks: int, deviation: float) -> tuple[float, float]:
    rng, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(studies):
        y = deviation * rng.standard_normal((genotypes, 1)) + 5 * rng.standard_normal((1, tasks))
        y = y + 5 * rng.standard_normal((genotypes, tasks))
        found, per_task = crossed(y), y.mean(0)
        alone = 1.96 * per_task.std(ddof=1) / tasks**0.5
        hits += abs(found.mean) < found.interval, abs(per_task.mean()) < alone
    both, tasks_alone = 100 * hits / studies
    return both, tasks_alone


if __name__ == "__main__":
    main()
