"""A decoded network trained from scratch on the support images of tasks, and measured on their query images
(Section 5.3, Table 5).

All tasks that share a genotype are trained together; the result of one does not depend on the others. Batch norm uses
the images at hand, as in the few-shot setting, so that a task's query images are classified together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes import augment
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.calibration import Measure
from tnas_cli.methods.divergence import check_losses
from tnas_cli.runs.events import Progress
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.parameters import Parameters, draw
from tnas_cli.update.darts import clipped, step
from tnas_cli.update.rates import cosine, set_rate


def initial(network: Network, seed: int, purpose: str, tasks: Sequence[int], device: torch.device) -> Parameters:
    """New parameters [T, ...] for the tasks of these numbers; a task's own do not depend on the others."""
    drawn = [draw(network.specs(), torch_generator(seed, purpose, task)) for task in tasks]
    return {name: torch.stack([one[name] for one in drawn]).to(device) for name in drawn[0]}


def train(
    engine: Engine,
    network: Network,
    parameters: Parameters,
    batch: TaskBatch,
    tasks: Sequence[int],
    black: Tensor,
    settings: SupervisedSettings,
    stage: str,
) -> Generator[Progress, None, Parameters]:
    """SGD with momentum on the support images; the rate falls along a cosine to 0. Moves `parameters` in place.

    `tasks` are the numbers of the batch's tasks. black [C] is a black pixel after normalisation: it fills the gap where
    an image is moved. Yields after every step and returns the parameters. Raises DivergedError when a loss is no longer
    a number.
    """
    optimiser = torch.optim.SGD(
        list(parameters.values()),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    support = batch.support_x.shape[1]
    per_epoch = math.ceil(support / settings.batch)
    for epoch in range(settings.epochs):
        rate = cosine(epoch, settings.epochs, start=settings.learning_rate)
        set_rate(optimiser, rate)
        order = torch.randperm(support, generator=torch_generator(settings.seed, "supervised order", epoch))
        for number in range(per_epoch):
            done = epoch * per_epoch + number
            which = order[number * settings.batch :][: settings.batch].to(batch.support_x.device)
            generator = torch_generator(settings.seed, "supervised images", done)
            x = changed(batch.support_x[:, which], black, settings, generator)
            found = engine.gradients(network, parameters, (x, batch.support_y[:, which].contiguous()))
            check_losses(found.losses, tasks, done, rate, "lower --learning-rate")
            loss = float(found.losses.mean())
            step(optimiser, parameters, clipped(found.gradients, settings.clip))
            yield Progress(stage, done + 1, per_epoch * settings.epochs, "steps", {"loss": loss})
    return parameters


def changed(x: Tensor, black: Tensor, settings: SupervisedSettings, generator: torch.Generator) -> Tensor:
    """Random crop and flip of x [T, N, C, H, W], drawn once per position in the batch for all tasks."""
    tasks, images, channels, height, width = x.shape
    shade = black.view(1, 1, channels, 1, 1)
    flat = (x - shade).transpose(0, 1).reshape(images, tasks * channels, height, width)
    flat = augment.random_shift(flat, settings.padding, generator)
    if settings.flip:
        flat = augment.random_flip(flat, generator)
    back = flat.reshape(images, tasks, channels, height, width).transpose(0, 1)
    return (back + shade).contiguous()  # [T, N, C, H, W]


def measure(engine: Engine, network: Network, parameters: Parameters, batch: TaskBatch) -> Measure:
    """Accuracy on the query images of each task, and the bins of the probabilities."""
    found = Measure()
    found.add(engine.predict(network, parameters, batch.query_x), batch.query_y)
    return found
