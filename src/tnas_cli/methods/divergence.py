"""Why a computation no longer gives numbers: which task, which inner step, which parameters, at which rate.

Asked only after a loss, a gradient or a parameter was found that is not finite: a task is then computed once more, step
by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tnas_cli.engines.torch_engine import check_images, task_losses
from tnas_cli.errors import DivergedError
from tnas_cli.spaces.parameters import THETA, Parameters

if TYPE_CHECKING:
    from tnas_cli.engines.interface import MetaGradient
    from tnas_cli.methods.learner import Labelled, SteppingLearner

#: The rates that were too high, by what they move.
_INNER = {"theta": "--beta-inner", "w": "--alpha-inner"}
_OUTER = {"theta": "--beta-outer", "w": "--alpha-outer"}


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether every number is finite."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())


@contextmanager
def naming(task: Callable[[int], str], hint: str = "") -> Iterator[None]:
    """A DivergedError from inside the block says which task it is, by its position in the batch, and what to do."""
    try:
        yield
    except DivergedError as error:
        raise error.advised(hint or error.hint).named(task(error.position or 0)) from None


def in_the_steps(learner: SteppingLearner, parameters: Parameters, support: Labelled) -> DivergedError | None:
    """The first step of `learner.course` after which a task's parameters or its support loss are not finite; None if
    there is no such step. Before the first step it is the outer rate that was too high. Raises DivergedError for images
    that are not finite.
    """
    x, labels = support
    check_images(x)
    before: Parameters | None = None
    for step, own in enumerate(learner.course(parameters, support)):
        lost = torch.stack([~tensor.isfinite().flatten(1).all(1) for tensor in own.values()]).any(0)  # [T]
        if not bool(lost.any()):
            lost = ~task_losses(learner.engine.predict(learner.network, own, x), labels).isfinite()
        if bool(lost.any()):
            return _of_step(learner, parameters, own, before or own, int(lost.nonzero()[0]), step)
        before = own
    return None


def _of_step(
    learner: SteppingLearner, parameters: Parameters, own: Parameters, before: Parameters, task: int, step: int
) -> DivergedError:
    # After a gradient that is not finite all parameters are lost at once: those before it say which went too far.
    at = own if all_finite({name: tensor[task] for name, tensor in own.items()}) else before
    name = _largest({name: tensor[task] for name, tensor in at.items()})
    group, size = _group(name), f"{_called(name)} reached {_size(at[name][task])}"
    if step == 0:
        what = f"diverged before its first inner step: {size}."
        return DivergedError(what, hint=f"lower {_OUTER[group]}", position=task, outer=True)
    rate = learner.rate(parameters, name, step - 1)
    words = f"{rate:g}" if isinstance(rate, float) else f"{_size(rate)} (learned)"
    what = f"diverged in inner step {step}: {size} at the inner rate {words}."
    return DivergedError(what, hint=f"lower {_INNER[group]}", position=task)


def in_losses(losses: Tensor) -> DivergedError:
    """A support loss [T, steps + 1] that is not finite, where no more is known."""
    task, step = (int(place) for place in (~losses.isfinite()).nonzero()[0])
    what = f"diverged: its support loss is {float(losses[task, step])} after {step} inner steps."
    return DivergedError(what, hint=f"lower {_INNER['w']}, or take fewer inner steps", position=task)


def in_meta_gradient(found: MetaGradient, parameters: Parameters, rates: Mapping[str, float]) -> DivergedError:
    """A query loss or an outer gradient that is not finite although the inner steps are. rates: the outer ones."""
    lost = (~found.query_losses.isfinite()).nonzero()
    position = int(lost[0]) if len(lost) else None
    if position is not None:
        says = f"its query loss is {float(found.query_losses[position])}"
    else:
        lost_in = next(name for name, tensor in found.gradients.items() if not bool(tensor.isfinite().all()))
        says = f"the outer gradient of {_called(lost_in)} is not finite"
    name = _largest(parameters)
    moved = f" (outer rate {rates[name]:g})" if name in rates else ""
    what = f"diverged: {says}. The meta-parameters reached {_size(parameters[name])}, in {_called(name)}{moved}."
    return DivergedError(what, hint=f"lower {_OUTER[_group(name)]}", position=position, outer=True)


def check_losses(losses: Tensor, tasks: Sequence[int], step: int, rate: float, hint: str) -> None:
    """Raises DivergedError for a training loss [T] that is not finite; `rate` is that of w in this step, from 0."""
    lost = (~losses.isfinite()).nonzero()
    if len(lost):
        position = int(lost[0])
        what = (
            f"diverged: its training loss is {float(losses[position])} in step {step + 1}, at the rate {rate:g} of w."
        )
        raise DivergedError(what, hint=hint, task=f"task {tasks[position]}")


def _largest(parameters: Parameters) -> str:
    """The tensor with the largest number; what is not a number counts as infinite."""
    return max(parameters, key=lambda name: float(parameters[name].abs().nan_to_num(nan=math.inf).max()))


def _size(tensor: Tensor) -> str:
    return f"{float(tensor.abs().max()):.3g}"


def _group(name: str) -> str:
    return "theta" if name.endswith(THETA) else "w"


def _called(name: str) -> str:
    """A tensor as users know it: theta, or w with its name."""
    return "theta" if name == THETA else f"w ({name})"
