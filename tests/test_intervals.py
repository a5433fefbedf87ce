"""Intervals of crossed designs: against known quantiles, textbook formulas, simulated truth and a bootstrap."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tnas_cli.intervals import crossed, t_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [
        (1, 12.7062047),
        (2, 4.3026527),
        (3, 3.1824463),
        (7, 2.3646243),
        (30, 2.0422725),
        (200, 1.9718962),
        (500, 1.9647198),
        (1000, 1.9623391),
    ],
)
def test_quantiles_are_those_of_tables(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=2e-6)


def test_one_factor_is_students_interval() -> None:
    values = np.array([0.4, 0.7, 0.9])
    found = crossed(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.interval == pytest.approx(4.3026527 * values.std(ddof=1) / math.sqrt(3), rel=1e-6)


def test_variance_of_the_mean_is_that_of_the_mean_squares() -> None:
    y = _studies(np.random.default_rng(3), 1, 5, 7, sd=(3, 5, 2))[0]
    rows, columns, all_ = y.mean(1, keepdims=True), y.mean(0, keepdims=True), y.mean()
    g = 7 * ((rows - all_) ** 2).sum() / 4
    t = 5 * ((columns - all_) ** 2).sum() / 6
    both = ((y - rows - columns + all_) ** 2).sum() / 24
    assert min(g, t) > both, "no component is 0 here"
    assert sum(crossed(y).parts.values()) == pytest.approx((g + t - both) / 35)


def test_negative_components_are_zero() -> None:
    y = np.array([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]])  # interaction alone
    assert crossed(y).parts == {(0, 1): pytest.approx(2 / 3 / 8), (0,): 0.0, (1,): 0.0}


def test_three_factors_take_each_effect_apart() -> None:
    """Means of many simulated tables are the components of the truth."""
    rng, shape, sd = np.random.default_rng(0), (4, 3, 6), {(0,): 2.0, (1,): 1.0, (2,): 3.0, (0, 1): 1.5, (0, 1, 2): 1.0}
    parts = []
    for _ in range(3000):
        y = np.zeros(shape)
        for axes, deviation in sd.items():
            y = y + deviation * rng.standard_normal([n if axis in axes else 1 for axis, n in enumerate(shape)])
        parts.append(crossed(y).parts)
    for axes in ((0,), (2,), (0, 1), (0, 1, 2)):
        truth = sd[axes] ** 2 / math.prod(shape[axis] for axis in axes)
        assert np.mean([part[axes] for part in parts]) == pytest.approx(truth, rel=0.1)


def test_weights_of_genotypes_count() -> None:
    """Weight of one genotype alone leaves the genotypes' variance undivided."""
    y = _studies(np.random.default_rng(0), 1, 6, 50, sd=(2, 5, 5))[0]
    alone, equal = crossed(y, [1, 0, 0, 0, 0, 0]), crossed(y)
    assert alone.mean == pytest.approx(y[0].mean())
    assert alone.parts[0,] == pytest.approx(6 * equal.parts[0,])
    assert alone.parts[1,] == pytest.approx(equal.parts[1,])


def test_a_table_of_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        crossed(np.ones((1, 5)))


@pytest.mark.parametrize(("genotypes", "tasks"), [(3, 600), (4, 100), (8, 100), (24, 200), (100, 60)])
def test_coverage_is_95_percent(genotypes: int, tasks: int) -> None:
    """400 studies with known truth: four standard deviations of their count around 93 to 97%."""
    studies = 400
    hits = sum(
        abs(f.mean) < f.interval for f in map(crossed, _studies(np.random.default_rng(1), studies, genotypes, tasks))
    )
    room = 4 * math.sqrt(0.95 * 0.05 / studies)
    assert 0.93 - room < hits / studies < 0.97 + room
    tasks_alone = sum(_covers_tasks_alone(y) for y in _studies(np.random.default_rng(1), studies, genotypes, tasks))
    assert tasks_alone < hits


def test_over_tasks_alone_it_covers_too_little_with_three_genotypes() -> None:
    hits = sum(map(_covers_tasks_alone, _studies(np.random.default_rng(2), 400, 3, 600)))
    assert hits / 400 < 0.85


def test_the_pigeonhole_bootstrap_agrees() -> None:
    """Rows and columns drawn independently with replacement (Owen 2007): slightly wider than the formula."""
    rng = np.random.default_rng(5)
    y = _studies(rng, 1, 40, 80, sd=(2, 5, 5))[0]
    means = [y[rng.integers(40, size=40)][:, rng.integers(80, size=80)].mean() for _ in range(2000)]
    assert 0.95 < 1.96 * float(np.std(means)) / crossed(y).interval < 1.15


def _studies(rng: np.random.Generator, count: int, g: int, t: int, sd: tuple[float, float, float] = (0.6, 5, 5)):
    """Tables of accuracies in points around a true mean of 0."""
    return [
        sd[0] * rng.standard_normal((g, 1)) + sd[1] * rng.standard_normal((1, t)) + sd[2] * rng.standard_normal((g, t))
        for _ in range(count)
    ]


def _covers_tasks_alone(y: np.ndarray) -> bool:
    per_task = y.mean(0)
    return bool(abs(per_task.mean()) < 1.96 * per_task.std(ddof=1) / math.sqrt(len(per_task)))
