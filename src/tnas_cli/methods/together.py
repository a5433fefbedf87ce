"""The two things of Algorithm 1 that grow with the number of tasks: a meta-batch's gradient, and a validation.

Here this process does them alone. `scale/leader.py` has several processes do them; the outer loop does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from tnas_cli.engines.interface import MetaGradient
from tnas_cli.engines.torch_engine import check_images
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DivergedError
from tnas_cli.methods.divergence import all_finite, in_meta_gradient
from tnas_cli.methods.learner import Learner, SteppingLearner, accuracies
from tnas_cli.spaces.parameters import Parameters

if TYPE_CHECKING:
    from tnas_cli.methods.meta_learn import Tasks


@dataclass(frozen=True)
class MetaBatch:
    """The tasks first, first + 1, ..., of which there are `count`; `progress` is the share of the training that is
    done. outer_rates: gives them by the name of a parameter, for what is said of a divergence. among: the classes of
    hard tasks; empty for tasks of all classes."""

    first: int
    count: int
    progress: float
    outer_rates: Callable[[], Mapping[str, float]] = dict
    among: tuple[int, ...] = ()


class Together(Protocol):
    """Who computes meta-batches and validations."""

    def meta_gradient(self, learner: Learner, parameters: Parameters, tasks: Tasks, which: MetaBatch) -> MetaGradient:
        """Algorithm 1, lines 4 to 9: the outer gradient summed over the tasks of a meta-batch, every number finite.

        Raises DivergedError with the position of the task in the meta-batch.
        """

    def accuracies(self, learner: Learner, parameters: Parameters, tasks: Tasks) -> Iterator[Tensor]:
        """Query accuracy [T] of each batch of validation tasks, in their order. Raises DivergedError in place of the
        first batch that no longer gives numbers."""


class Alone:
    """This process, which computes all tasks."""

    def meta_gradient(self, learner: Learner, parameters: Parameters, tasks: Tasks, which: MetaBatch) -> MetaGradient:
        return finite(learner, parameters, tasks.drawn(which, 0, which.count), which)

    def accuracies(self, learner: Learner, parameters: Parameters, tasks: Tasks) -> Iterator[Tensor]:
        return accuracies(learner, parameters, tasks.validate())


ALONE = Alone()


def finite(learner: Learner, parameters: Parameters, batch: TaskBatch, which: MetaBatch) -> MetaGradient:
    """The outer gradient of a batch of tasks of `which`; raises DivergedError before any number that is not finite
    leaves it."""
    try:
        found = learner.meta_gradient(parameters, batch, which.progress)
        if all_finite(found.gradients | {"loss": found.query_losses}):
            return found
        error = in_meta_gradient(found, parameters, which.outer_rates())
    except DivergedError as noticed:  # by the engine, between two inner steps
        error = noticed
    check_images(batch.query_x)
    if isinstance(learner, SteppingLearner):
        error = learner.in_training().diverged(parameters, batch.support) or error
    raise error


def in_order(found: Iterable[MetaGradient]) -> MetaGradient:
    """The sum of the tasks' gradients, from the first task to the last: an order that depends on nothing else."""
    total: dict[str, Tensor] = {}
    losses, right, weakest = [], [], []
    for one in found:
        losses.append(one.query_losses)
        right.append(one.query_accuracies)
        weakest += [] if one.weakest is None else [one.weakest]
        for name, gradient in one.gradients.items():
            # 0 + g, as the engines begin: a gradient of -0 counts as 0.
            total[name] = total.get(name, torch.zeros_like(gradient)) + gradient
    return MetaGradient(total, torch.cat(losses), torch.cat(right), torch.cat(weakest) if weakest else None)
