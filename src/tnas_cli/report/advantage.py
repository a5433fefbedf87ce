"""Does a genotype do better on the task that decoded to it? From genotypes that were also tested on each other's tasks,
and from others that were tested in their place.

For two tasks i and j with their genotypes, the advantage is half of what both reach at home minus what both reach on
the other's task: levels of genotypes and of tasks cancel in every pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tnas_cli.errors import DataError
from tnas_cli.intervals import t_quantile
from tnas_cli.records.reported import Difference, ReportResult
from tnas_cli.records.results import TrainResult
from tnas_cli.report.results import read_measured

#: Random swaps of homes behind a p-value.
SWAPS = 9999

IN_PLACE = {"random": "a random one", "theta~": "that of theta~"}

_HINT = "measure them first: tnas train-eval genotypes.jsonl --weights inherited --cross 3"


@dataclass(frozen=True)
class Advantage:
    """Shares of 1: the mean over `pairs` of tasks whose genotypes differ, with the half-width of its 95% interval for
    other tasks with their genotypes. `p`: the share of random swaps of homes that are at least as far from 0, from
    pairs that have no task in common. `alike`: pairs with the same genotype, which are left out. `in_place`: the
    tasks' own genotypes minus others on the same tasks, in points, by what the others are."""

    mean: float
    interval: float
    p: float
    tasks: int
    pairs: int
    alike: int
    in_place: Mapping[str, Difference] = field(default_factory=dict)


def advantage(sources: Sequence[str | Path]) -> Advantage:
    """The advantage in the one result of runs or files of records; raises DataError where it was not measured."""
    found = [m for source in sources for m in read_measured(Path(source)) if isinstance(m, TrainResult) and m.crossed]
    if len(found) != 1:
        raise DataError(f"{len(found)} results have genotypes that were tested on each other's tasks.", hint=_HINT)
    home = {row.index: (row.digest, row.accuracy) for row in found[0].per_task or ()}
    away = {(row.digest, row.index): row.accuracy for row in found[0].crossed or ()}
    tasks, edges, gains, alike = sorted(home), [], [], 0
    place = {task: number for number, task in enumerate(tasks)}
    tasks_of: dict[str | None, list[int]] = {}
    for task, (digest, _) in home.items():
        tasks_of.setdefault(digest, []).append(task)
    for i, j in sorted({(i, row.index) for row in found[0].crossed or () for i in tasks_of.get(row.digest, ())}):
        here, there = away.get((home[i][0], j)), away.get((home[j][0], i))
        if i >= j or here is None or there is None:
            continue
        if home[i][0] == home[j][0]:
            alike += 1
            continue
        edges.append((place[i], place[j]))
        gains.append((home[i][1] + home[j][1] - here - there) / 2)
    if len(gains) < 2:
        raise DataError("no two genotypes that differ were tested on each other's tasks.", hint=_HINT)
    in_place = {}
    for name, rows in (found[0].in_place or {}).items():
        pairs = [(home[row.index][1], row.accuracy) for row in rows if row.index in home]
        if len(pairs) > 1:
            in_place[name] = against(np.array(pairs))
    return replace(of_pairs(np.array(edges), np.array(gains), alike), in_place=in_place)


def against(pairs: NDArray[np.float64]) -> Difference:
    """Of the accuracies of pairs [tasks, 2], shares of 1: the own genotype and another one on the same task. The
    interval is for other tasks."""
    gains = 100 * (pairs[:, 0] - pairs[:, 1])
    interval = t_quantile(len(gains) - 1) * float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return Difference(difference=float(gains.mean()), interval=interval, tasks=len(gains))


def of_pairs(edges: NDArray[np.int64], gains: NDArray[np.float64], alike: int = 0) -> Advantage:
    """The advantage from pairs of tasks [pairs, 2] and the gain of each [pairs].

    Pairs with a task in common are not independent: the variance sums the products of all such gains (Aronow, Samii
    and Assenova, 2015).
    """
    mean, tasks = float(gains.mean()), len(np.unique(edges))
    beyond = gains - mean
    per_task = np.zeros(int(edges.max()) + 1)
    for end in edges.T:
        np.add.at(per_task, end, beyond)
    variance = max(float((per_task**2).sum() - (beyond**2).sum()), float((beyond**2).sum())) / len(gains) ** 2
    variance *= tasks / (tasks - 1)
    interval = t_quantile(max(1, tasks - 2)) * math.sqrt(variance)
    return Advantage(mean, interval, _p(edges, gains), tasks, len(gains), alike)


def _p(edges: NDArray[np.int64], gains: NDArray[np.float64]) -> float:
    """Two-sided, by random swaps of the homes of each pair, over pairs that have no task in common."""
    used: set[int] = set()
    apart = []
    for (i, j), gain in zip(edges.tolist(), gains.tolist(), strict=True):
        if not {i, j} & used:
            used |= {i, j}
            apart.append(gain)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(SWAPS, len(apart)))
    far = np.abs(signs @ np.array(apart)) >= abs(sum(apart)) - 1e-12
    return float((far.sum() + 1) / (SWAPS + 1))


def lines(found: Advantage) -> list[str]:
    """The advantage in plain lines for a person."""
    said = [
        f"own task minus other tasks: {100 * found.mean:+.2f} ± {100 * found.interval:.2f} points, 95% interval over "
        "tasks with their genotypes",
        f"{found.tasks:,} tasks in {found.pairs:,} pairs; p = {found.p:.2g} if homes are swapped at random",
    ]
    for name, other in found.in_place.items():
        said.append(
            f"own genotype minus {IN_PLACE.get(name, name)}: {other.difference:+.2f} ± {other.interval:.2f} "
            f"points, 95% interval over {other.tasks:,} tasks"
        )
    if found.alike:
        said.append(f"left out: {found.alike:,} pairs whose tasks decoded to the same genotype")
    if abs(found.mean) <= found.interval:
        said.append("The interval contains 0: these tasks do not show an advantage.")
    return said


def record(found: Advantage) -> ReportResult:
    """The advantage as a record, in points."""
    return ReportResult(
        tasks=found.tasks,
        difference=100 * found.mean,
        interval=100 * found.interval,
        p=found.p,
        pairs=found.pairs,
        in_place=found.in_place or None,
    )
