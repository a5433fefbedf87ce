"""The outer loop of Algorithm 1, the same for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from tnas_cli.engines.interface import MetaGradient
from tnas_cli.episodes.labelled_images import Batches
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.divergence import naming
from tnas_cli.methods.hard_tasks import HardTasks
from tnas_cli.methods.head import is_head
from tnas_cli.methods.learner import AdaptingLearner, Learner, mean_and_interval
from tnas_cli.methods.together import ALONE, MetaBatch, Together
from tnas_cli.runs.events import Event, StepDone, Validated
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decode import decidedness, normalised_entropy
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.registry import space as usual_space
from tnas_cli.spaces.space import Space
from tnas_cli.update import outer


@dataclass(frozen=True)
class Tasks:
    """Where tasks come from: `train(first, count)` gives the tasks first, first + 1, ...; `validate()` the validation
    tasks in batches, always the same ones. `labelled`: batches of all training classes, for methods that need them.
    `hard(first, count, classes)`: training tasks of these classes alone, for methods with hard tasks."""

    train: Callable[[int, int], TaskBatch]
    validate: Callable[[], Iterator[TaskBatch]]
    labelled: Batches | None = None
    hard: Callable[[int, int, Sequence[int]], TaskBatch] | None = None

    def drawn(self, which: MetaBatch, position: int, count: int) -> TaskBatch:
        """So many tasks of a meta-batch, from this position on."""
        if not which.among:
            return self.train(which.first + position, count)
        assert self.hard is not None
        return self.hard(which.first + position, count, which.among)

    @property
    def classes(self) -> int:
        """How many classes a linear layer over all training classes has; 0 for methods without one."""
        return 0 if self.labelled is None else self.labelled.classes


@dataclass(frozen=True)
class Plan:
    """How long, how many tasks per outer step, how their gradients add up, and where Adam's rates end.

    `cosine_to`: the outer rates fall along a cosine to this share of their start; 1 keeps them constant.
    `seconds`: the training also ends after this time. Progress is then that of the time or of the tasks, whichever is
    further. zero_head: the linear layer stays as it is. schedule: a method's own factor of the outer rates, by the
    progress. hard: when tasks are hard ones. together: who computes.
    """

    tasks: int
    meta_batch: int
    validate_every: int
    mean_over_tasks: bool = True
    cosine_to: float = 1.0
    seconds: float = math.inf
    zero_head: bool = False
    schedule: Callable[[float], float] = lambda progress: 1.0
    hard: HardTasks | None = None
    together: Together = ALONE

    @classmethod
    def of(cls, settings: SearchSettings | TrainSettings) -> Plan:
        """The plan that the settings describe."""
        return cls(
            tasks=settings.tasks,
            meta_batch=settings.meta_batch,
            validate_every=settings.validate_every,
            mean_over_tasks=settings.reduction == "mean",
            cosine_to=settings.cosine_to,
            seconds=settings.hours * 3600 or math.inf,
        )

    def progress(self, state: MetaState) -> float:
        """The share of the training that is done: 0 at its start, 1 or more at its end."""
        return max(state.tasks_done / self.tasks, state.seconds / self.seconds)

    def next_tasks(self, state: MetaState) -> int:
        """How many tasks the next meta-batch has; hard ones and others are never in one."""
        count = min(self.meta_batch, self.tasks - state.tasks_done)
        return count if self.hard is None else min(count, self.hard.left(state.tasks_done))

    def expected_tasks(self, state: MetaState) -> int:
        """How many tasks the training will have done at its end, judging by its speed so far."""
        spent = state.seconds / self.seconds
        return self.tasks if spent == 0 else max(state.tasks_done, min(self.tasks, round(state.tasks_done / spent)))


@dataclass
class PhaseState:
    """How far a phase before the meta-learning has come: the layer over all classes, which ends with it, what moves the
    weights, and the batches done."""

    head: Parameters
    optimiser: torch.optim.Optimizer
    done: int = 0


@dataclass
class MetaState:
    """Everything that changes while learning, and that a checkpoint must hold. `seconds`: the meta-learning's time.

    phase: a phase before the meta-learning that has not ended yet. phase_seconds: its time. halvings: how often the
    inner rates were halved after a divergence. kept: classes for the next hard tasks.
    """

    parameters: Parameters
    optimiser: torch.optim.Optimizer
    tasks_done: int = 0
    best_accuracy: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    phase: PhaseState | None = None
    phase_seconds: float = 0.0
    halvings: int = 0
    kept: list[int] = field(default_factory=list)


def meta_learn(learner: Learner, state: MetaState, tasks: Tasks, plan: Plan) -> Iterator[Event]:
    """Algorithm 1, lines 2 to 11, with whatever the learner does inside a task; changes `state` in place.

    Yields StepDone after every meta-batch and Validated every `validate_every` tasks and at the end; at least one step
    is made, however short the time. Raises DivergedError where a task no longer gives numbers; `state` is then as it
    was before that step.
    """
    began = time.monotonic() - state.seconds
    space = space_of(learner)
    while True:
        if validation_due(state, plan):
            yield _validated(learner, state, tasks, plan)
            state.seconds = time.monotonic() - began
        if plan.progress(state) >= 1:
            return
        progress, count = plan.progress(state), plan.next_tasks(state)
        among = () if plan.hard is None else plan.hard.among(state.kept, state.tasks_done)
        rates = partial(outer.rates, state.optimiser, state.parameters)
        which = MetaBatch(state.tasks_done, count, progress, rates, among)
        found = _meta_gradient(learner, state, tasks, plan, which)  # lines 3 to 9
        _move(state, found, plan, progress, count)  # line 10
        if plan.hard is not None and found.weakest is not None:
            plan.hard.keep(state.kept, state.tasks_done, found.weakest)
        state.tasks_done += count
        state.seconds = time.monotonic() - began
        yield _step_done(state, found, plan, space)


def space_of(learner: Learner) -> Space:
    """The space of the searched network; the default space where a learner does not name one."""
    network = learner.network if isinstance(learner, AdaptingLearner) else None
    found: Space | None = getattr(network, "space", None)
    return usual_space() if found is None else found


def _meta_gradient(learner: Learner, state: MetaState, tasks: Tasks, plan: Plan, which: MetaBatch) -> MetaGradient:
    """Algorithm 1, lines 3 to 9. Raises DivergedError before the outer step: the meta-parameters stay finite."""
    with naming(lambda position: f"training task {which.first + position:,}"):
        return plan.together.meta_gradient(learner, state.parameters, tasks, which)


def _move(state: MetaState, found: MetaGradient, plan: Plan, progress: float, count: int) -> None:
    """Algorithm 1, line 10: Equation 8, or 6, for the `count` tasks of a meta-batch."""
    share = 1 / count if plan.mean_over_tasks else 1.0
    outer.scale_rates(state.optimiser, outer.cosine(progress, plan.cosine_to) * plan.schedule(progress))
    moved = {name: g * share for name, g in found.gradients.items() if not (plan.zero_head and is_head(name))}
    outer.step(state.optimiser, state.parameters, moved)


def _step_done(state: MetaState, found: MetaGradient, plan: Plan, space: Space) -> StepDone:
    theta = state.parameters.get(THETA)
    values = {} if theta is None else about_theta(theta, space)
    loss, accuracy = float(found.query_losses.mean()), float(found.query_accuracies.mean())
    return StepDone(state.tasks_done, plan.expected_tasks(state), loss, accuracy, values)


def _validated(learner: Learner, state: MetaState, tasks: Tasks, plan: Plan) -> Validated:
    measured = [torch.zeros(0)]
    after = f"after {state.tasks_done:,} training tasks,"
    with naming(lambda position: f"validation task {sum(map(len, measured)) + position}, {after}"):
        for found in plan.together.accuracies(learner, state.parameters, tasks):
            measured.append(found)
    mean, half = mean_and_interval(measured)
    better = mean > state.best_accuracy
    state.best_accuracy = max(mean, state.best_accuracy)
    state.history.append({"tasks": state.tasks_done, "accuracy": mean, "interval": half})
    return Validated(state.tasks_done, mean, half, better)


def about_theta(theta: Tensor, space: Space) -> dict[str, float]:
    """What a step says of theta~ [2, edges, operations]: how decided it is (`decidedness`, `normalised_entropy`), and
    the numbers of skip connections and pools in both cells of the genotype that it decodes to. It takes a tenth of a
    millisecond.
    """
    kinds = space.decode(theta).without_weights
    return {
        "theta": float(decidedness(theta)),
        "entropy": float(normalised_entropy(theta)),
        "skips": kinds["skip_connections"],
        "pools": kinds["pools"],
    }


def validation_due(state: MetaState, plan: Plan) -> bool:
    """Whether a multiple of `validate_every`, or the end, has been passed since the last validation."""
    last = int(state.history[-1]["tasks"]) if state.history else 0
    passed = state.tasks_done // plan.validate_every > last // plan.validate_every
    return passed or (plan.progress(state) >= 1 and state.tasks_done > last)
