"""DARTS from scratch on single tasks: S1 and S2 of Section 5.3. Also the few steps of T-NAS that the paper compares."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, InnerRule
from tnas_cli.engines.torch_engine import task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.divergence import check_losses
from tnas_cli.methods.supervised import changed, initial
from tnas_cli.runs.events import Progress
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.spaces.space import SearchedNetwork
from tnas_cli.update.darts import architecture_gradient, clipped, step
from tnas_cli.update.inner import descend
from tnas_cli.update.rates import cosine, set_rate

Labelled = tuple[Tensor, Tensor]


def halves(batch: TaskBatch) -> tuple[Labelled, Labelled]:
    """The support images in two halves, each class divided 1 : 1: the first half moves w, the second theta.

    If a class has an odd number of images, the second half has one more.
    """
    way = batch.way
    shot = batch.support_x.shape[1] // way
    place = torch.arange(way * shot, device=batch.support_x.device) % shot  # support is ordered class by class
    first, second = (place < shot // 2).nonzero()[:, 0], (place >= shot // 2).nonzero()[:, 0]
    return (
        (batch.support_x[:, first], batch.support_y[:, first]),
        (batch.support_x[:, second], batch.support_y[:, second]),
    )


def darts(
    engine: Engine,
    network: SearchedNetwork,
    batch: TaskBatch,
    tasks: Sequence[int],
    black: Tensor,
    settings: SupervisedSettings,
    stage: str,
) -> Generator[Progress, None, Tensor]:
    """Equation 4 on every task of a batch: theta moves by Adam on one half and w by SGD on the other, in turn.

    `tasks` are the numbers of the batch's tasks, which decide their initial parameters. Yields after every step and
    returns theta [T, 2, edges, 8]. Raises SettingsError if a class has only one image,
    and DivergedError when a loss is no longer a number.
    """
    parameters = initial(network, settings.seed, f"darts weights of {stage}", tasks, batch.support_x.device)
    weights = {name: tensor for name, tensor in parameters.items() if name != THETA}
    sgd = torch.optim.SGD(
        list(weights.values()),
        lr=settings.search_rate,
        momentum=settings.momentum,
        weight_decay=settings.search_weight_decay,
    )
    adam = torch.optim.Adam(
        [parameters[THETA]], settings.theta_rate, (0.5, 0.999), weight_decay=settings.theta_weight_decay
    )
    training, validation = halves(batch)
    per_epoch = math.ceil(training[0].shape[1] / settings.search_batch)
    for epoch in range(settings.search_epochs):
        rate = cosine(epoch, settings.search_epochs, start=settings.search_rate, end=settings.search_rate_end)
        set_rate(sgd, rate)
        for number in range(per_epoch):
            done = epoch * per_epoch + number
            generator = torch_generator(settings.seed, "darts images", done)
            own = _part("w", training, number, epoch, black, settings, generator)
            other = _part("theta", validation, number, epoch, black, settings, generator)
            step(adam, parameters, _towards_theta(engine, network, parameters, own, other, rate, settings))
            found = engine.gradients(network, parameters, own)
            check_losses(found.losses, tasks, done, rate, "lower --search-rate or --theta-rate")
            moved = {name: found.gradients[name] for name in weights}
            step(sgd, parameters, clipped(moved, settings.clip))
            values = {"loss": float(found.losses.mean())}
            yield Progress(stage, done + 1, per_epoch * settings.search_epochs, "steps", values)
    return parameters[THETA]


def _towards_theta(
    engine: Engine,
    network: SearchedNetwork,
    parameters: Parameters,
    training: Labelled,
    validation: Labelled,
    xi: float,
    settings: SupervisedSettings,
) -> dict[str, Tensor]:
    """Equation 4, first line. The first-order gradient is the plain one, which every engine computes."""
    if settings.order == "first":
        return {THETA: engine.gradients(network, parameters, validation).gradients[THETA]}

    def loss(labelled: Labelled, at: Parameters) -> Tensor:
        return task_losses(network.logits(at, labelled[0]), labelled[1])

    return architecture_gradient(
        lambda at: loss(training, at), lambda at: loss(validation, at), parameters, (THETA,), xi
    )[1]


def _part(
    mover: str,
    half: Labelled,
    number: int,
    epoch: int,
    black: Tensor,
    settings: SupervisedSettings,
    generator: torch.Generator,
) -> Labelled:
    """Batch `number` of an epoch, from the half that moves w or theta, with random crops and flips; the last batch of
    an epoch may be smaller."""
    images, size = half[0].shape[1], settings.search_batch
    order = torch.randperm(images, generator=torch_generator(settings.seed, f"darts order, {mover}", epoch))
    which = order[number * size :][:size].to(half[0].device)
    return changed(half[0][:, which], black, settings, generator), half[1][:, which].contiguous()


def adapt_in_parts(
    engine: Engine, network: SearchedNetwork, parameters: Parameters, batch: TaskBatch, rule: InnerRule, images: int
) -> Parameters:
    """Algorithm 2, lines 1 and 2, for tasks of many images: each step's gradient (Equation 7) is the mean over parts.

    A part has about `images` support images, as many of every class. With one part it is the engine's own adaptation;
    with more, each part has its own batch norm statistics. `parameters` are the meta-parameters; returns them per task.
    """
    support = batch.support_x.shape[1]
    parts = [torch.arange(first, support, math.ceil(support / images)) for first in range(math.ceil(support / images))]
    adapted = {name: tensor.clone() for name, tensor in for_tasks(parameters, len(batch)).items()}
    rates = rule.rates(parameters)
    for _ in range(rule.steps):
        total: dict[str, Tensor] = {}
        for part in parts:
            which = part.to(batch.support_x.device)
            labelled = batch.support_x[:, which].contiguous(), batch.support_y[:, which].contiguous()
            for name, gradient in engine.gradients(network, adapted, labelled).gradients.items():
                share = gradient * (len(part) / support)
                total[name] = total[name] + share if name in total else share
        adapted = descend(adapted, total, rates)
    return adapted
