"""Two results on the same tasks, task by task: the difference of a pair says more than that of two means."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.records.reported import Comparison as ComparisonRecord
from tnas_cli.records.reported import Side
from tnas_cli.report.measured import accuracy_of, dataset_of, split_of
from tnas_cli.report.per_task import PerTask, read_own_tasks

#: What two results must have in common to have been measured on the same tasks.
SAME = ("setting", "dataset", "protocol", "fingerprint", "split", "way", "shot", "query", "tasks")
#: Accuracies are kept in single precision, and means over networks are rounded: smaller differences count as 0.
_EQUAL = 1e-6


@dataclass(frozen=True)
class Comparison:
    """A minus B over the tasks that both were measured on; shares of 1, with the half-width of the 95% interval.

    own_tasks: the pairs are the genotypes that both measured, each on the test task that decoded to it.
    """

    a: PerTask
    b: PerTask
    own_tasks: bool
    difference: float
    interval: float
    better: int
    worse: int

    @property
    def tasks(self) -> int:
        """How many pairs there are."""
        return len(self.a.accuracies)

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 0."""
        return abs(self.difference) > self.interval

    def record(self) -> ComparisonRecord:
        """As one record; accuracies in percent, the difference in points."""
        m = self.a.measurement
        return ComparisonRecord(
            a=_side(self.a),
            b=_side(self.b),
            setting=m.setting,
            dataset=m.dataset,
            protocol=m.protocol,
            fingerprint=m.fingerprint,
            split=m.split,
            way=m.way,
            shot=m.shot,
            query=m.query,
            tasks=self.tasks,
            own_tasks=self.own_tasks,
            difference=100 * self.difference,
            interval=100 * self.interval,
            better=self.better,
            worse=self.worse,
            equal=self.tasks - self.better - self.worse,
            decided=self.decided,
        )


def compare(a: PerTask, b: PerTask) -> Comparison:
    """The paired comparison; raises DataError where the two were not measured on the same tasks, and says why."""
    _check_same_tasks(a, b)
    return _paired(a, b, own_tasks=False)


def compare_own_tasks(a: Path, b: Path) -> Comparison:
    """The paired comparison of the genotypes that two results share, each on the test task that decoded to it.

    Raises DataError if the results come from different images, or share fewer than two genotypes.
    """
    (of_a, found_a), (of_b, found_b) = read_own_tasks(a), read_own_tasks(b)
    shared = sorted(found_a.keys() & found_b.keys())
    if len(shared) < 2:
        raise DataError(
            f"{a} and {b} have {len(shared)} genotypes and tasks in common.", hint="measure the same genotypes in both"
        )
    sides = []
    for source, measured, found in ((a, of_a, found_a), (b, of_b, found_b)):
        values = tuple(found[key] for key in shared)
        half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
        on_shared = replace(measured, mean=statistics.fmean(values), interval=half, tasks=len(values))
        sides.append(PerTask(str(source), on_shared, values))
    _check_same_tasks(*sides)
    return _paired(*sides, own_tasks=True)


def _paired(a: PerTask, b: PerTask, *, own_tasks: bool) -> Comparison:
    differences = [x - y for x, y in zip(a.accuracies, b.accuracies, strict=True)]
    interval = 1.96 * statistics.stdev(differences) / math.sqrt(len(differences))
    return Comparison(
        a,
        b,
        own_tasks,
        difference=statistics.fmean(differences),
        interval=interval,
        better=sum(value > _EQUAL for value in differences),
        worse=sum(value < -_EQUAL for value in differences),
    )


def _check_same_tasks(a: PerTask, b: PerTask) -> None:
    hint = "measure both with the same data set, --protocol, --way, --shot, --query and number of test tasks"
    for side in (a, b):
        if side.measurement.fingerprint is None:
            raise DataError(
                f"{side.source} does not say which images it was measured on (fingerprint).", hint="measure it again"
            )
    unequal = [key for key in SAME if getattr(a.measurement, key) != getattr(b.measurement, key)]
    if unequal:
        listed = "; ".join(
            f"{key} {getattr(a.measurement, key)!r} and {getattr(b.measurement, key)!r}" for key in unequal
        )
        raise DataError(f"{a.source} and {b.source} were not measured on the same tasks: {listed}.", hint=hint)
    if len(a.accuracies) < 2:
        raise DataError(f"{a.source} and {b.source} have only one task: its difference has no interval.", hint=hint)


def _side(side: PerTask) -> Side:
    m, reached = side.measurement, accuracy_of(side.measurement)
    return Side(
        source=side.source,
        command=m.command,
        method=m.method,
        network=m.network,
        weights=m.weights,
        seed=m.seed,
        run=m.run,
        mean=100 * reached.mean,
        interval=100 * reached.interval,
    )


def summary(comparison: Comparison) -> list[str]:
    """The comparison in plain lines for a person."""
    m = comparison.a.measurement
    protocol = f" ({m.protocol} split)" if m.protocol else ""
    lines = [
        f"{dataset_of(m)}{protocol}, {m.way}-way {m.shot}-shot, {m.query} query images per class, "
        f"the same {comparison.tasks:,} "
        + ("genotypes, each on the test task that decoded to it" if comparison.own_tasks else f"{split_of(m)} tasks"),
        _line("A", comparison.a),
        _line("B", comparison.b),
        f"A - B: {100 * comparison.difference:+.2f} ± {100 * comparison.interval:.2f} points, "
        f"mean and 95% interval over the differences per task",
        f"A is better on {comparison.better:,} tasks, worse on {comparison.worse:,}, "
        f"equal on {comparison.tasks - comparison.better - comparison.worse:,}",
    ]
    if not comparison.decided:
        lines.append("The interval contains 0: these tasks do not tell the two apart.")
    return [*lines, "The interval is over tasks. It does not cover how another training seed would change the numbers."]


def _line(name: str, side: PerTask) -> str:
    m, reached = side.measurement, accuracy_of(side.measurement)
    network = f", {m.network}" if m.network else ""
    about = f"{m.method}{network}, weights {m.weights}, seed {m.seed}"
    return f"{name}: {100 * reached.mean:.2f} ± {100 * reached.interval:.2f}  {about}: {side.source}"
