"""What a mean over a crossed design leaves open: an interval for other genotypes, other tasks and other seeds at once.

Every factor (genotypes, seeds, tasks) is an axis of the table, and every cell is measured. The model has a random
effect for each factor and each combination of factors. The mean's variance is the sum of their variances, each divided
by how many of it there are; the mean squares of the table estimate them (docs/intervals.md has the formulas).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
#: Which axes an effect belongs to.
Axes = tuple[int, ...]

Z = 1.96

#: By simulation: with two or three of a factor its variance is known badly, and z^2 grows by so much of its share.
_OF_FEW = 2.0


@dataclass(frozen=True)
class Crossed:
    """The mean of a table and the half-width of its 95% interval. By the axes of each effect: its variance (`effects`),
    and the variance that it gives the mean (`parts`)."""

    mean: float
    interval: float
    parts: dict[Axes, float]
    effects: dict[Axes, float]


def crossed(table: Values, weights: Sequence[float] | None = None) -> Crossed:
    """The mean of a table of any number of factors, each an axis of at least 2, and its 95% interval.

    weights: of the first axis; the others count equally. The squared half-width is
    z^2 V + sum over effects of (t_f^2 - z^2) C (C + D) / V. V is the mean's variance, C an effect's part of it, D the
    part of the effects that it is in, f its degrees of freedom, t_f the quantile of Student's distribution. For a
    single factor it is Student's interval. Satterthwaite's interpolates 1/f where this interpolates t^2, and covers
    too little with 3 to 6 of a factor. Raises ValueError for a table with an axis of 1.
    """
    if table.ndim == 0 or min(table.shape) < 2:
        raise ValueError(f"a crossed table has at least 2 of each factor, not {table.shape}")
    share = np.ones(len(table)) if weights is None else np.asarray(weights, dtype=np.float64)
    mean, effects = float(np.tensordot(share / share.sum(), table, axes=1).mean()), _effects(table)
    parts = _parts(effects, table.shape, share)
    return Crossed(mean, _half(parts, table.shape), parts, effects)


def expected(effects: Mapping[Axes, float], shape: Sequence[int], weights: Sequence[float]) -> float:
    """The half-width of the interval that a table of this shape would have if its effects had these variances; weights
    of the first axis, as many as it is long."""
    return _half(_parts(effects, shape, np.asarray(weights, dtype=np.float64)), shape)


def _parts(effects: Mapping[Axes, float], shape: Sequence[int], weights: Values) -> dict[Axes, float]:
    """The variance that each effect gives the mean."""
    first = float((weights**2).sum() / weights.sum() ** 2)
    each = [first, *(1 / size for size in shape[1:])]
    return {axes: effect * math.prod(each[axis] for axis in axes) for axes, effect in effects.items()}


def _effects(table: Values) -> dict[Axes, float]:
    """The variance of each effect; below 0 is 0."""
    every = [axes for size in range(table.ndim, 0, -1) for axes in combinations(range(table.ndim), size)]
    found: dict[Axes, float] = {}
    for axes in every:
        above = sum(
            effect / math.prod(table.shape[axis] for axis in set(others) - set(axes))
            for others, effect in found.items()
            if set(axes) < set(others)
        )
        others = math.prod(size for axis, size in enumerate(table.shape) if axis not in axes)
        found[axes] = max(0.0, _mean_square(table, axes) / others - above)
    return found


def _mean_square(table: Values, axes: Axes) -> float:
    """The mean square of an effect: of what the means over the other axes have beyond every smaller effect."""
    effect = table
    for axis in range(table.ndim):
        over = effect.mean(axis=axis, keepdims=True)
        effect = effect - over if axis in axes else over
    others = math.prod(size for axis, size in enumerate(table.shape) if axis not in axes)
    return float((effect**2).sum() * others / _freedom(axes, table.shape))


def _freedom(axes: Axes, shape: Sequence[int]) -> int:
    return math.prod(shape[axis] - 1 for axis in axes)


def _half(parts: dict[Axes, float], shape: Sequence[int]) -> float:
    variance = sum(parts.values())
    if not variance:
        return 0.0
    squared = Z * Z * variance
    for axes, part in parts.items():
        inside = part + sum(other for others, other in parts.items() if set(axes) < set(others))
        freedom = _freedom(axes, shape)
        squared += (t_quantile(freedom) ** 2 - Z * Z) * part * inside / variance
        if freedom == 1 and len(shape) > 1 and len(axes) == 1:
            squared += _OF_FEW * Z * Z * inside
        if freedom == 2:
            squared += _OF_FEW * Z * Z * part * (1 - part / variance)
    return min(math.sqrt(squared), t_quantile(1) * math.sqrt(variance))


@cache
def t_quantile(freedom: int) -> float:
    """The 97.5% quantile of Student's distribution, to 1e-6; at least 1.96."""
    if freedom > 200:
        z = 1.959963984540054  # Fisher's expansion in 1/f
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        return max(Z, z + first / freedom + second / freedom**2)
    low, high = 1.0, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < 0.95 else (low, middle)
    return high


def _inside(t: float, freedom: int) -> float:
    """The probability of [-t, t] by the finite series for whole numbers (Abramowitz and Stegun, 26.7.3-4)."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
