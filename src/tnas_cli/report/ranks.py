"""Do two results put the same genotypes into the same order? Kendall's tau-b between their accuracies.

Its interval is that of Long and Cliff, Confidence intervals for Kendall's tau (British Journal of Mathematical and
Statistical Psychology, 1997), which holds for accuracies of any distribution (docs/intervals.md has simulations).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tnas_cli.errors import DataError
from tnas_cli.intervals import t_quantile
from tnas_cli.records.reported import ReportResult
from tnas_cli.records.results import Measured, TrainResult
from tnas_cli.report.per_task import kept_of, only_result

Values = NDArray[np.float64]

#: With fewer genotypes no interval of tau holds, and with fewer than three there is no order.
ENOUGH, FEWEST = 8, 3

_HINT = "measure the same genotypes in both: tnas train-eval, for inherited weights with --all-tasks"


@dataclass(frozen=True)
class Ranks:
    """Two results over the genotypes that both measured. `interval` is the half-width of tau's 95% interval, for other
    genotypes; None where too few, or all of them in the same order, say nothing of it. `ceiling`: the tau that the test
    tasks of these results allow where the true orders are equal; None where no accuracies per task were kept."""

    sources: tuple[str, str]
    genotypes: int
    tau: float
    interval: float | None
    ceiling: float | None


def ranks(a: Path, b: Path) -> Ranks:
    """Of the one result in each of two run directories or files of records; raises DataError where they share fewer
    than three genotypes, or where one of them ranks none."""
    found = [only_result(source) for source in (a, b)]
    means = [_means(result, source) for result, source in zip(found, (a, b), strict=True)]
    shared = sorted(means[0].keys() & means[1].keys())
    if len(shared) < FEWEST:
        raise DataError(f"{a} and {b} have {len(shared)} genotypes in common.", hint=_HINT)
    first, second = (np.array([each[digest] for digest in shared]) for each in means)
    for source, values in ((a, first), (b, second)):
        if np.ptp(values) == 0:
            raise DataError(
                f"all genotypes are equally good in {source}: there is no order.", hint="test on more tasks"
            )
    halves = [_halves(result, source, shared) for result, source in zip(found, (a, b), strict=True)]
    tau, interval = kendall(first, second)
    return Ranks((str(a), str(b)), len(shared), tau, interval, ceiling([each for each in halves if each is not None]))


def kendall(a: Values, b: Values) -> tuple[float, float | None]:
    """Tau-b of two lists of accuracies [genotypes], and the half-width of its 95% interval."""
    n, x, y = len(a), _signs(a), _signs(b)
    scale = math.sqrt(float((x * x).sum() * (y * y).sum()))
    tau = float((x * y).sum()) / scale
    if n < ENOUGH:
        return tau, None
    pairs = x * y * (n * (n - 1) / scale)  # [genotypes, genotypes], whose mean off the diagonal is tau
    each = pairs.sum(1) / (n - 1)  # the mean over the pairs of each genotype
    of_pairs = float((pairs**2).sum() - n * (n - 1) * tau**2) / (n * (n - 1) - 1)
    variance = (4 * (n - 2) * float(each.var(ddof=1)) + 2 * of_pairs) / (n * (n - 1))
    return tau, t_quantile(n - 2) * math.sqrt(variance) if variance > 1e-12 else None


def ceiling(halves: Sequence[tuple[Values, Values]]) -> float | None:
    """The tau between two measurements of one true order, from the accuracies on the two halves of each result's tasks
    [genotypes].

    The correlation of the halves gives that of two whole measurements (Spearman and Brown), as sin(pi tau / 2) does for
    normal values.
    """
    if not halves:
        return None
    reliable = 1.0
    for first, second in halves:
        if np.ptp(first) == 0 or np.ptp(second) == 0:
            return None
        between = max(0.0, math.sin(math.pi / 2 * kendall(first, second)[0]))
        reliable *= 2 * between / (1 + between)
    return 2 / math.pi * math.asin(math.sqrt(reliable))


def _signs(values: Values) -> Values:
    """For each two of them, which is more [genotypes, genotypes]."""
    return np.sign(values[:, None] - values[None, :])


def _means(result: Measured, source: Path) -> dict[str, float]:
    rows = (isinstance(result, TrainResult) and result.per_genotype) or ()
    found = {row.digest: row.mean for row in rows if row.mean is not None}
    if not found:
        raise DataError(f"{source} has no accuracy of each genotype on the same tasks.", hint=_HINT)
    return found


def _halves(result: Measured, source: Path, digests: Sequence[str]) -> tuple[Values, Values] | None:
    """The accuracies on tasks 0, 2, ... and 1, 3, ..., where the folder of a training from scratch is here."""
    if result.weights == "inherited" or result.seeds:
        return None
    try:
        table = np.array(kept_of(result, source, digests))  # [genotypes, tasks]
    except (DataError, ValueError):  # the folder is not here, or networks were not tested on the same tasks
        return None
    return table[:, ::2].mean(1), table[:, 1::2].mean(1)


def lines(found: Ranks) -> list[str]:
    """In plain lines for a person."""
    a, b = found.sources
    width = "" if found.interval is None else f" ± {found.interval:.2f}, 95% interval over genotypes"
    said = [f"Kendall's tau-b {found.tau:.2f}{width}; {found.genotypes} genotypes in {a} and {b}"]
    if found.interval is None:
        few = f"fewer than {ENOUGH} genotypes" if found.genotypes < ENOUGH else "genotypes that are all in one order"
        said.append(f"No interval: {few} do not tell how far tau may be off.")
    elif abs(found.tau) <= found.interval:
        said.append("The interval contains 0: these genotypes do not show that the two orders agree.")
    if found.ceiling is not None:
        said.append(
            f"Were the true orders equal, the noise of the test tasks would leave a tau of {found.ceiling:.2f}."
        )
    return said


def record(found: Ranks) -> ReportResult:
    """As a record."""
    return ReportResult(genotypes=found.genotypes, tau=found.tau, interval=found.interval, tau_ceiling=found.ceiling)
