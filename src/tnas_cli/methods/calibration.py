"""Whether probabilities mean what they say: expected calibration error, and one temperature that mends it.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.records.parts import Coverage

#: Bins of the largest probability, as in the publication.
BINS = 15

#: Temperatures are looked for between 1 / LARGEST and LARGEST.
LARGEST = 1e4


@dataclass(frozen=True)
class Bins:
    """Answers by their largest probability: in each bin how many there are, the sum of their probabilities, and how
    many are right. Bins of several tasks or networks add up.
    """

    counts: tuple[float, ...]
    confidences: tuple[float, ...]
    right: tuple[float, ...]

    @classmethod
    def of(cls, probabilities: Tensor, labels: Tensor) -> Bins:
        """Of answers: probabilities [..., way] and labels [...]."""
        confidence, best = probabilities.double().flatten(0, -2).max(-1)  # [N]
        right = (best == labels.flatten()).double()
        where = (confidence * BINS).long().clamp(max=BINS - 1)
        columns = (torch.ones_like(confidence), confidence, right)
        return cls(*(tuple(torch.zeros(BINS).double().index_add_(0, where.cpu(), c.cpu()).tolist()) for c in columns))

    @classmethod
    def from_json(cls, kept: Mapping[str, Sequence[float]]) -> Bins:
        """From what `dataclasses.asdict` gave."""
        return cls(*(tuple(kept[name]) for name in ("counts", "confidences", "right")))

    @classmethod
    def sum(cls, parts: Iterable[Bins]) -> Bins:
        """All of them together."""
        rows = [(part.counts, part.confidences, part.right) for part in parts]
        if not rows:
            return cls(*((0.0,) * BINS,) * 3)
        return cls(*(tuple(map(math.fsum, zip(*column, strict=True))) for column in zip(*rows, strict=True)))

    def times(self, weight: float) -> Bins:
        """The same answers, each counted so many times."""
        return Bins(*(tuple(weight * one for one in column) for column in (self.counts, self.confidences, self.right)))

    @property
    def error(self) -> float | None:
        """The expected calibration error: mean |accuracy - confidence| over the bins, weighted by their share of the
        answers; None without answers."""
        total = math.fsum(self.counts)
        if not total:
            return None
        return math.fsum(abs(c - r) for c, r in zip(self.confidences, self.right, strict=True)) / total


def error_of(bins: Sequence[Bins | None], weights: Sequence[float] | None = None) -> float | None:
    """The expected calibration error of all these answers together, each part counted `weights` times; None where some
    of them were not kept."""
    weighted = zip(bins, weights or [1.0] * len(bins), strict=True)
    known = [one.times(weight) for one, weight in weighted if one is not None]
    return Bins.sum(known).error if len(known) == len(bins) else None


class Measure:
    """Collects answers to tasks: each task's accuracy, and the bins of the probabilities at a temperature."""

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature
        self.accuracies: list[float] = []
        self._bins: list[Bins] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Tasks' logits [T, Q, way] and labels [T, Q]."""
        self.accuracies += task_accuracies(logits, labels).tolist()
        self.add_probabilities((logits / self.temperature).softmax(-1), labels)

    def add_probabilities(self, probabilities: Tensor, labels: Tensor) -> None:
        """Probabilities [..., way] that are final, and labels [...]; the accuracy of tasks is not noted."""
        self._bins.append(Bins.of(probabilities, labels))

    def extend(self, other: Measure) -> None:
        """Add what another one has collected."""
        self.accuracies += other.accuracies
        self._bins += other._bins

    @property
    def bins(self) -> Bins:
        """Of all answers."""
        return Bins.sum(self._bins)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature T that minimises the mean cross-entropy of logits / T: logits [N, way], labels [N].

    The loss is convex in 1 / T; golden-section search on log T finds its only minimum to four digits. NumPy's sums do
    not depend on the number of threads.
    """
    values, shrink = logits.detach().cpu().double().numpy(), (math.sqrt(5) - 1) / 2
    above = values - values[np.arange(len(values)), labels.cpu().numpy()][:, None]  # [N, way], 0 for the right class

    def loss(log_temperature: float) -> float:
        cooled = above / math.exp(log_temperature)
        most = cooled.max(axis=1, keepdims=True)
        return float((most[:, 0] + np.log(np.exp(cooled - most).sum(axis=1))).mean())

    low, high = -math.log(LARGEST), math.log(LARGEST)
    left, right = high - shrink * (high - low), low + shrink * (high - low)
    of_left, of_right = loss(left), loss(right)
    while high - low > 1e-4:
        if of_left < of_right:
            high, right, of_right = right, left, of_left
            left = high - shrink * (high - low)
            of_left = loss(left)
        else:
            low, left, of_left = left, right, of_right
            right = low + shrink * (high - low)
            of_right = loss(right)
    return math.exp((low + high) / 2)


def coverage(logits: Tensor, labels: Tensor, probabilities: Sequence[float]) -> list[Coverage]:
    """What is left and how much of it is right where answers below a probability are rejected: logits [N, way]."""
    confidence, best = logits.double().softmax(-1).max(-1)
    right = (best == labels).double()
    found = []
    for least in probabilities:
        kept = confidence >= least
        accuracy = float(right[kept].mean()) if bool(kept.any()) else None
        found.append(Coverage(probability=least, share=float(kept.double().mean()), accuracy=accuracy))
    return found
