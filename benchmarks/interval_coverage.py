"""How often intervals of crossed designs cover the truth: python benchmarks/interval_coverage.py [PART [STUDIES]]

Simulated studies with known truth, and how many percent of their intervals contain it. Parts: designs, near-100, seeds,
weights, stopping, tau; without one, all of them (hours). Where nothing else is said, effects are normal, in points,
with standard deviations of 5 for tasks and 5 for the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tnas_cli.intervals import Crossed, crossed
from tnas_cli.report.ranks import kendall
from tnas_cli.until import PILOT, Costs, Design, Study

STUDIES = 2000

Values = NDArray[np.float64]
Generator = np.random.Generator


def main() -> None:
    """A table per part."""
    asked = sys.argv[1:2] or list(PARTS)
    studies = int(sys.argv[2]) if len(sys.argv) > 2 else STUDIES
    for part in asked:
        print(f"\n{part}: {studies} studies each, seed 0\n", flush=True)
        PARTS[part](studies)


def designs(studies: int) -> None:
    """Genotypes x tasks, beside it the interval over tasks alone."""
    head("genotypes", "tasks", "sd", "crossed", "tasks alone")
    for genotypes in (2, 3, 4, 8, 24, 100, 600):
        for tasks in (100, 600):
            for deviation in (0.3, 0.6, 2.0):
                rng, hits = np.random.default_rng(0), np.zeros(2)
                for _ in range(studies):
                    y = effects(rng, (genotypes, tasks), {(0,): deviation, (1,): 5, (0, 1): 5})
                    per_task = y.mean(0)
                    hits += covers(crossed(y)), abs(per_task.mean()) < 1.96 * per_task.std(ddof=1) / tasks**0.5
                row(genotypes, tasks, deviation, *(f"{100 * hit / studies:.1f}" for hit in hits))


def near_100(studies: int) -> None:
    """Each cell is the share of 75 answers that are right. Effects are on the scale of log odds: 1 for tasks, 0.5 for
    the rest, and 0.1 or 0.4 for genotypes."""
    head("genotypes", "tasks", "mean", "sd", "crossed")
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    for genotypes in (2, 3, 8, 24):
        for tasks in (100, 600):
            for middle in (4.5, 6.0):
                for deviation in (0.1, 0.4):
                    rng, hits = np.random.default_rng(0), 0
                    total = (deviation**2 + 1 + 0.25) ** 0.5
                    truth = float((weights * right(middle + total * nodes)).sum() / weights.sum())
                    for _ in range(studies):
                        odds = effects(rng, (genotypes, tasks), {(0,): deviation, (1,): 1, (0, 1): 0.5})
                        hits += covers(crossed(rng.binomial(75, right(middle + odds)) / 75), truth)
                    row(genotypes, tasks, f"{100 * truth:.1f}%", deviation, f"{100 * hits / studies:.1f}")


def seeds(studies: int) -> None:
    """Three factors, each effect and combination with a variance of its own; the deviation of seeds is printed."""
    head("genotypes", "seeds", "tasks", "sd of seeds", "crossed")
    for shape in ((2, 2, 600), (2, 3, 600), (3, 3, 100), (8, 2, 600), (8, 3, 600), (24, 3, 100), (24, 5, 600)):
        for deviation in (0.1, 0.5):
            sd = {(0,): 0.6, (1,): deviation, (0, 1): 0.4, (2,): 5, (0, 2): 3, (1, 2): 1, (0, 1, 2): 4}
            rng = np.random.default_rng(0)
            hits = sum(covers(crossed(effects(rng, shape, sd))) for _ in range(studies))
            row(*shape, deviation, f"{100 * hits / studies:.1f}")


def weights(studies: int) -> None:
    """Genotypes with weights: 1, 1/2, 1/3, ... or one with as much as all others together."""
    head("genotypes", "weights", "tasks", "sd", "crossed")
    for genotypes in (2, 3, 4, 8, 24):
        each = {"1/rank": [1 / (1 + rank) for rank in range(genotypes)], "one half": [genotypes - 1.0]}
        each["one half"] += [1.0] * (genotypes - 1)
        for name, given in each.items():
            for tasks in (100, 600):
                for deviation in (0.6, 2.0):
                    rng, sd = np.random.default_rng(0), {(0,): deviation, (1,): 5.0, (0, 1): 5.0}
                    hits = sum(covers(crossed(effects(rng, (genotypes, tasks), sd), given)) for _ in range(studies))
                    row(genotypes, name, tasks, deviation, f"{100 * hits / studies:.1f}")


def stopping(studies: int) -> None:
    """Studies that go on until their half-width is what was asked for, as `tnas train-eval --until` does: from 600
    tasks, with 600 genotypes to take from. A test takes 0.03 s, a training as long as is printed."""
    head("sd", "s", "asked", "seeds", "covered", "reached", "genotypes", "tasks", "looks")
    for deviation, training, asked, several in (
        *((sd, s, asked, False) for sd in (0.3, 0.6, 2.0) for s in (40, 2000) for asked in (1.0, 0.5)),
        (0.6, 40, 0.3, False),
        (0.6, 2000, 0.3, False),
        (0.6, 40, 1.0, True),
        (0.6, 2000, 0.5, True),
    ):
        rng, ended = np.random.default_rng(0), []
        for _ in range(studies):
            ended.append(until(rng, deviation, Costs(training, 0.03), asked, several))
        hits, reached, *sizes = np.array(ended, dtype=np.float64).mean(0)
        row(
            deviation, training, asked, "yes" if several else "one", f"{100 * hits:.1f}", f"{100 * reached:.1f}",
            *(f"{size:.1f}" for size in sizes),
        )  # fmt: skip


def until(rng: Generator, deviation: float, costs: Costs, asked: float, several: bool) -> tuple[float, ...]:
    """One study: whether it covers the truth, whether it was reached, genotypes, tasks and looks in the end."""
    sd = {(0,): deviation, (2,): 5.0, (0, 2): 5.0}
    if several:
        sd = {(0,): deviation, (1,): 0.3, (0, 1): 0.4, (2,): 5.0, (0, 2): 3.0, (0, 1, 2): 4.0}
    table, most = Growing(rng, sd), Design(600, 100 if several else 1, 20_000)
    design, looks = Design(PILOT, 3 if several else 1, 600), 0
    while True:
        study, looks = Study(table.of(design), [1.0] * most.genotypes), looks + 1
        plan = study.plan(asked, costs, most)
        if plan.done or not plan.reached:
            return covers(study.found), plan.done, design.genotypes, design.tasks, looks
        design = plan.next


def tau(studies: int) -> None:
    """Kendall's tau of two accuracies of the same genotypes: normal ones; with noise that is small for the better half
    and large for the others; of two groups, with nothing in common within a group; beside it, the usual interval for
    normal ones (Fieller, Hartley and Pearson, 1957)."""
    head("accuracies", "genotypes", "tau", "covered", "Fieller")
    for name, draw in DRAWN.items():
        rng = np.random.default_rng(0)
        truth = float(np.mean([kendall(*draw(rng, 1500))[0] for _ in range(60)]))
        for genotypes in (8, 12, 24, 100):
            hits, usual = 0, 1.96 * (0.437 / (genotypes - 4)) ** 0.5
            others = 0
            for _ in range(studies):
                found, width = kendall(*draw(rng, genotypes))
                hits += width is not None and abs(found - truth) <= width
                others += abs(np.arctanh(np.clip(found, -0.999, 0.999)) - np.arctanh(truth)) <= usual
            row(name, genotypes, f"{truth:.2f}", f"{100 * hits / studies:.1f}", f"{100 * others / studies:.1f}")


def normal(rng: Generator, genotypes: int) -> tuple[Values, Values]:
    x = rng.standard_normal(genotypes)
    return x, 0.81 * x + (1 - 0.81**2) ** 0.5 * rng.standard_normal(genotypes)


def unequal(rng: Generator, genotypes: int) -> tuple[Values, Values]:
    x = rng.standard_normal(genotypes)
    return x, x + np.where(x > 0, 0.3, 2.0) * rng.standard_normal(genotypes)


def groups(rng: Generator, genotypes: int) -> tuple[Values, Values]:
    good = 3.0 * (rng.random(genotypes) < 0.5)
    return good + rng.standard_normal(genotypes), good + rng.standard_normal(genotypes)


DRAWN: dict[str, Callable[[Generator, int], tuple[Values, Values]]] = {
    "normal": normal,
    "unequal noise": unequal,
    "two groups": groups,
}


class Growing:
    """A table of effects, drawn only as far as it is looked at."""

    def __init__(self, rng: Generator, sd: dict[tuple[int, ...], float]) -> None:
        self.rng, self.sd = rng, sd
        self.drawn = {axes: np.zeros([0 if axis in axes else 1 for axis in range(3)]) for axes in sd}

    def of(self, design: Design) -> Values:
        """So much of it."""
        shape = (design.genotypes, design.seeds, design.tasks)
        for axes, deviation in self.sd.items():
            for axis in axes:
                old = self.drawn[axes]
                more = [*old.shape]
                more[axis] = shape[axis] - old.shape[axis]
                new = deviation * self.rng.standard_normal(more)
                self.drawn[axes] = np.concatenate([old, new], axis)
        return np.broadcast_to(sum(self.drawn.values(), np.zeros(1)), shape)


def effects(rng: Generator, shape: Sequence[int], sd: dict[tuple[int, ...], float]) -> Values:
    """A table with these standard deviations around 0."""
    y = np.zeros(shape)
    every = [axes for size in range(1, len(shape) + 1) for axes in combinations(range(len(shape)), size)]
    for axes in every:
        y += sd[axes] * rng.standard_normal([size if axis in axes else 1 for axis, size in enumerate(shape)])
    return y


def right(odds: Values) -> Values:
    """The probability of log odds."""
    return np.asarray(1 / (1 + np.exp(-odds)))


def covers(found: Crossed, truth: float = 0.0) -> bool:
    return abs(found.mean - truth) < found.interval


def head(*titles: str) -> None:
    row(*titles)
    row(*("---" for _ in titles))


def row(*cells: object) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "designs": designs,
    "near-100": near_100,
    "seeds": seeds,
    "weights": weights,
    "stopping": stopping,
    "tau": tau,
}

if __name__ == "__main__":
    main()
