"""How a measurement grows until its interval is narrow enough: more genotypes, more seeds or more test tasks.

What was measured so far gives the variance of every effect, and what a network and a test cost. From there on, each
step is the one that lowers the expected interval most per second. Test accuracies decide how many there are, and never
which: the order of genotypes, seeds and tasks is fixed before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tnas_cli.intervals import Axes, Crossed, Values, crossed, expected

#: How many genotypes the first look is at, and how many there are before it may end (or all, where fewer are given).
#: The fewer there are, the more often they differ little by chance, and it would end too early (docs/intervals.md).
PILOT, LEAST = 4, 8

#: Between two looks, the costs grow by so much at most, unless a single step is more.
GROWTH = 0.25

#: A step is this share of what is there, and at least one; tests are made in batches.
STEP, BATCH = 0.05, 8

#: More test tasks than this are never asked for.
MOST_TASKS = 100_000


@dataclass(frozen=True)
class Design:
    """Every genotype is trained with every seed, and each of these networks is tested on every task."""

    genotypes: int
    seeds: int
    tasks: int

    @property
    def networks(self) -> int:
        """How many are trained."""
        return self.genotypes * self.seeds


@dataclass(frozen=True)
class Costs:
    """Seconds: of the `training` of a network, and of the `test` of one on a task."""

    training: float
    test: float

    def of(self, design: Design) -> float:
        """All that a design takes."""
        return design.networks * (self.training + design.tasks * self.test)


def least(most: Design) -> int:
    """With how many genotypes it may end."""
    return min(LEAST, most.genotypes)


@dataclass(frozen=True)
class Plan:
    """A way to a narrower interval: `next` is where to look again, `end` where it is expected to have the half-width
    `interval` after so many `seconds` more. `reached`: whether that is what was asked for; `done`: whether nothing is
    left to do for it."""

    next: Design
    end: Design
    interval: float
    seconds: float
    reached: bool

    @property
    def done(self) -> bool:
        return self.reached and not self.seconds


@dataclass(frozen=True)
class Study:
    """What was measured: accuracies [genotypes, seeds, tasks] as shares of 1, and the weights of all genotypes that
    there are. An axis of 1 is no source of variance: the interval says nothing of others of it."""

    accuracies: Values
    weights: Sequence[float]

    @property
    def design(self) -> Design:
        """Its size."""
        return Design(*self.accuracies.shape)

    @property
    def found(self) -> Crossed:
        """The mean and its interval."""
        several = self.accuracies.squeeze(tuple(axis for axis in self._alone if axis < 2))
        return crossed(several, None if 0 in self._alone else self.weights[: len(self.accuracies)])

    @property
    def _alone(self) -> tuple[int, ...]:
        return tuple(axis for axis, size in enumerate(self.accuracies.shape) if size == 1)

    def plan(self, asked: float, costs: Costs, most: Design, at_a_time: int = 1) -> Plan:
        """The way to a half-width of at most `asked`; no further than `most`, and genotypes in groups of `at_a_time`.

        Factors of which there is only one stay so.
        """
        now, effects, spent = self.design, self.found.effects, costs.of(self.design)
        path = [now, *self._path(effects, asked, costs, most, at_a_time)]
        near = [design for design in path[1:] if costs.of(design) <= (1 + GROWTH) * spent]
        following = near[-1] if near else path[min(1, len(path) - 1)]
        interval = self.expected(effects, path[-1])
        return Plan(following, path[-1], interval, costs.of(path[-1]) - spent, interval <= asked)

    def expected(self, effects: Mapping[Axes, float], design: Design) -> float:
        """The half-width of another design with these effects."""
        shape = (design.genotypes, design.seeds, design.tasks)
        several = [size for axis, size in enumerate(shape) if axis not in self._alone]
        return expected(effects, several, [1.0] * several[0] if 0 in self._alone else self._weights(several[0]))

    def _weights(self, genotypes: int) -> list[float]:
        """Of so many genotypes; those that there are not have the mean weight."""
        known = [float(weight) for weight in self.weights[:genotypes]]
        return known + [float(np.mean(self.weights))] * (genotypes - len(known))

    def _path(
        self, effects: Mapping[Axes, float], asked: float, costs: Costs, most: Design, at_a_time: int
    ) -> Iterator[Design]:
        """One step after another, up to the half-width that is asked for, or as far as a step lowers it."""
        design = self.design
        if 0 not in self._alone and design.genotypes < least(most):
            design = replace(design, genotypes=least(most))
            yield design
        width = self.expected(effects, design)
        while width > asked:
            steps = list(self._steps(design, most, at_a_time))
            widths = [self.expected(effects, step) for step in steps]
            gains = [
                (width - there) / (costs.of(step) - costs.of(design)) for step, there in zip(steps, widths, strict=True)
            ]
            if not gains or max(gains) <= 0:
                return
            best = gains.index(max(gains))
            design, width = steps[best], widths[best]
            yield design

    def _steps(self, design: Design, most: Design, at_a_time: int) -> Iterator[Design]:
        several = tuple(axis for axis in range(3) if axis not in self._alone)
        if 0 in several and design.genotypes < most.genotypes:
            more = at_a_time * math.ceil(max(1, STEP * design.genotypes) / at_a_time)
            yield replace(design, genotypes=min(most.genotypes, design.genotypes + more))
        if 1 in several and design.seeds < most.seeds:
            yield replace(design, seeds=design.seeds + math.ceil(STEP * design.seeds))
        if design.tasks < most.tasks:
            more = BATCH * math.ceil(STEP * design.tasks / BATCH)
            yield replace(design, tasks=min(most.tasks, design.tasks + more))
