"""Calibration: the error by hand, a temperature against a fine grid, coverage by counting."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tnas_cli.methods.calibration import BINS, Bins, coverage, error_of, fit_temperature


def two_way(probability: float) -> list[float]:
    """Logits of two classes whose first has this probability."""
    return [math.log(probability), math.log(1 - probability)]


def test_the_error_by_hand() -> None:
    """Two answers at 0.6 (one right) and one at 0.95 (right): (|1.2 - 1| + |0.95 - 1|) / 3."""
    logits = torch.tensor([two_way(0.6), two_way(0.6), two_way(0.95)])
    bins = Bins.of(logits.softmax(-1), torch.tensor([0, 1, 0]))
    assert sum(bins.counts) == 3
    assert bins.error == pytest.approx((0.2 + 0.05) / 3, abs=1e-6)
    assert Bins.sum([]).error is None


@given(seed=st.integers(0, 1000), tasks=st.integers(1, 4))
def test_bins_of_parts_add_up(seed: int, tasks: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(tasks, 7, 4, generator=generator)
    labels, shares = torch.randint(4, (tasks, 7), generator=generator), logits.double().softmax(-1)
    whole, parts = Bins.of(shares, labels), Bins.sum(Bins.of(shares[t], labels[t]) for t in range(tasks))
    assert whole.counts == parts.counts
    assert whole.right == parts.right
    assert whole.error == pytest.approx(parts.error)
    # Answer by answer, without bins that are added.
    confidence, best = logits.double().softmax(-1).flatten(0, 1).max(-1)
    right = best == labels.flatten()
    expected = 0.0
    for b in range(BINS):
        inside = [i for i, c in enumerate(confidence.tolist()) if min(int(c * BINS), BINS - 1) == b]
        if inside:
            expected += abs(sum(confidence[i] - float(right[i]) for i in inside)) / len(confidence)
    assert whole.error == pytest.approx(float(expected), abs=1e-9)


def test_answers_count_as_often_as_their_weight_says() -> None:
    sure, unsure = (Bins.of(torch.tensor([[p, 1 - p]]), torch.tensor([0])) for p in (0.9, 0.6))
    assert error_of([sure, unsure]) == pytest.approx((0.1 + 0.4) / 2)
    assert error_of([sure, unsure], [3.0, 1.0]) == pytest.approx((3 * 0.1 + 0.4) / 4)
    assert error_of([sure, None], [3.0, 1.0]) is None


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_factor(factor: float) -> None:
    """Labels are drawn from the softmax of logits that are then multiplied: the temperature is the factor."""
    generator = torch.Generator().manual_seed(1)
    logits = 2 * torch.randn(20_000, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(1)
    found = fit_temperature(logits * factor, labels)
    assert found == pytest.approx(factor, rel=0.05)
    grid = [found * math.exp(step / 100) for step in range(-20, 21)]
    losses = [float(torch.nn.functional.cross_entropy(logits.double() * factor / t, labels)) for t in grid]
    assert min(losses) == losses[20]
    before, after = (Bins.of((factor * logits / by).softmax(-1), labels).error for by in (1, found))
    assert before is not None
    assert after is not None
    assert after < 0.02
    assert after <= before + 1e-3


def test_coverage_counts_what_is_left() -> None:
    logits = torch.tensor([two_way(0.6), two_way(0.6), two_way(0.95), two_way(0.8)])
    found = coverage(logits, torch.tensor([0, 1, 0, 1]), [0.0, 0.7, 0.9, 0.99])
    assert [(c.share, c.accuracy) for c in found] == [(1.0, 0.5), (0.5, 0.5), (0.25, 1.0), (0.0, None)]
