"""Training of DARTS's evaluation network on one data set, and its measurement (Appendix D, Tables 7 and 8).

Unlike in the few-shot setting, batch norm has running statistics: every test image is classified on its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.episodes import augment
from tnas_cli.episodes.labelled_images import LabelledImages
from tnas_cli.errors import DivergedError
from tnas_cli.methods.calibration import Bins, error_of
from tnas_cli.methods.learner import interval
from tnas_cli.records.parts import TrainedNetwork
from tnas_cli.runs.events import Event, StepDone, Validated
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.darts_network import DartsNetwork, DartsShape, Stem, initialise
from tnas_cli.update.rates import cosine, exponential, set_rate

#: From this size on, 'auto' takes ImageNet's stem, after which the cells see an eighth of the size.
LARGE_IMAGE = 128

#: Images measured at a time; the results do not depend on it.
MEASURED_AT_ONCE = 256


@dataclass
class TransferState:
    """Everything that changes while training: `steps` done so far, and the best validation accuracy; and how it is
    trained."""

    network: DartsNetwork
    optimiser: torch.optim.SGD
    settings: TransferSettings
    steps: int = 0
    best_accuracy: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)


def shape_of(settings: TransferSettings, images: LabelledImages) -> DartsShape:
    """The network's shape for a data set."""
    stem: Stem = "imagenet" if images.cache.size >= LARGE_IMAGE else "cifar"
    if settings.stem != "auto":
        stem = settings.stem
    return DartsShape(
        len(images.classes), images.cache.channels, settings.channels, settings.layers, stem, settings.auxiliary
    )


def start(cells: Cells, shape: DartsShape, settings: TransferSettings, device: torch.device) -> TransferState:
    """A network with new weights, and its optimiser: SGD with momentum and weight decay on all weights."""
    network = DartsNetwork(cells, shape)
    initialise(network, torch_generator(settings.seed, f"transfer weights of {cells.digest}"))
    network = network.to(device)
    if device.type == "cpu":  # a step takes 72 to 83% of the time there (benchmarks/transfer.md)
        network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    return TransferState(network, optimiser, settings)


def steps_per_epoch(images: int, batch: int) -> int:
    """Batches of an epoch; a single image left over is left out, since batch norm needs more than one."""
    return images // batch + (1 if images % batch > 1 else 0)


def train(
    state: TransferState,
    images: LabelledImages,
    validation: LabelledImages | None,
    settings: TransferSettings,
    device: torch.device,
    shares: Shares | None = None,
) -> Iterator[Event]:
    """Train to the last epoch, from wherever `state` is; changes it in place. shares: who computes the parts of a
    step's batch, if not this process.

    Yields StepDone after every batch and, where there are validation images, Validated after every epoch. A step
    depends on its number and the seed alone, so a stopped training goes on as if it had never stopped. Raises
    DivergedError when the loss is no longer a number.
    """
    per_epoch = steps_per_epoch(len(images), settings.batch)
    total = per_epoch * settings.epochs
    shares = shares or (lambda state: shares_of(state.network, batch_of(state, images, settings, device), settings))
    while True:
        # An epoch that ended just before a stop is validated by whoever goes on.
        if validation is not None and state.steps % per_epoch == 0 and state.steps > _last_validated(state):
            yield _validate(state, validation, device)
        if state.steps >= total:
            return
        epoch, first = divmod(state.steps, per_epoch)
        set_rate(state.optimiser, rate_of(epoch, settings))
        for _ in range(first, per_epoch):
            loss, accuracy = _move(state, shares(state), settings)
            state.steps += 1
            yield StepDone(state.steps, total, loss, accuracy)


def rate_of(epoch: int, settings: TransferSettings) -> float:
    """The learning rate of an epoch, from 0."""
    if settings.decay == "cosine":
        return cosine(epoch, settings.epochs, start=settings.learning_rate)
    return exponential(epoch, start=settings.learning_rate, factor=settings.decay_rate)


def prepared(x: Tensor, images: LabelledImages, settings: TransferSettings, generator: torch.Generator) -> Tensor:
    """Training images as the network sees them: x [N, C, H, W] in 0..1, cropped, flipped, normalised, with a hole."""
    if settings.crop == "resize":
        x = augment.random_resized(x, generator)
    else:
        x = augment.random_shift(x, settings.padding, generator)
    x = augment.random_flip(x, generator)
    x = augment.colour_jitter(x, settings.jitter, generator)
    return augment.cutout(images.normalise(x), settings.cutout, generator)


@dataclass(frozen=True)
class Batch:
    """The images of a step as the network sees them, x [N, C, H, W] and y [N], with its drop-path [cells, edges, N]."""

    x: Tensor
    y: Tensor
    keep: Tensor | None

    def parts(self, most: int) -> list[Batch]:
        """Up to so many parts of the batch, of at least two images each, since batch norm needs more than one."""
        count = max(1, min(most, len(self.x) // 2))
        keeps = [None] * count if self.keep is None else torch.tensor_split(self.keep, count, dim=2)
        both = zip(torch.tensor_split(self.x, count), torch.tensor_split(self.y, count), keeps, strict=True)
        return [Batch(x, y, keep) for x, y, keep in both]


@dataclass(frozen=True)
class Share:
    """What a part of a batch makes of a step: its mean loss [], how many of its images are right [], gradients by the
    names of weights, and what the network's buffers are after it."""

    images: int
    loss: Tensor
    right: Tensor
    gradients: Mapping[str, Tensor]
    buffers: Mapping[str, Tensor]


#: Computes the shares of the step that a state comes to next, in the order of the parts; the state stays as it is.
Shares = Callable[[TransferState], list[Share]]


def batch_of(state: TransferState, images: LabelledImages, settings: TransferSettings, device: torch.device) -> Batch:
    """The batch of the step that comes next."""
    epoch, number = divmod(state.steps, steps_per_epoch(len(images), settings.batch))
    order = torch.randperm(len(images), generator=torch_generator(settings.seed, "transfer order", epoch)).numpy()
    x, y = images.load(order[number * settings.batch : (number + 1) * settings.batch], device)
    x = prepared(x, images, settings, torch_generator(settings.seed, "transfer images", state.steps))
    probability = settings.drop_path * epoch / settings.epochs
    generator = torch_generator(settings.seed, "transfer drop-path", state.steps)
    keep = state.network.draw_keep(probability, len(x), generator)
    return Batch(x, y, None if keep is None else keep.to(device))


def shares_of(
    network: DartsNetwork, batch: Batch, settings: TransferSettings, first: int = 0, each: int = 1
) -> list[Share]:
    """The shares of every `each`-th part of a batch, which do not depend on each other; the network stays as it is."""
    return [_share(network, part, settings) for part in batch.parts(settings.shards)[first::each]]


def _share(network: DartsNetwork, part: Batch, settings: TransferSettings) -> Share:
    before = {name: tensor.clone() for name, tensor in network.named_buffers()}
    logits, second = network.train()(part.x, part.keep)
    loss = F.cross_entropy(logits, part.y, label_smoothing=settings.label_smoothing)
    if second is not None:
        more = F.cross_entropy(second, part.y, label_smoothing=settings.label_smoothing)
        loss = loss + settings.auxiliary_weight * more
    named = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    gradients = {name: each for name, each in zip(named, found, strict=True) if each is not None}
    buffers = {name: tensor.clone() for name, tensor in network.named_buffers()}
    for name, tensor in network.named_buffers():
        tensor.copy_(before[name])
    right = (logits.detach().argmax(1) == part.y).float().sum()
    return Share(len(part.x), loss.detach(), right, gradients, buffers)


@torch.no_grad()
def _move(state: TransferState, shares: Sequence[Share], settings: TransferSettings) -> tuple[float, float]:
    """One step of SGD, by the mean over images of what the parts of its batch came to, from the first to the last;
    buffers are their mean over parts. Returns the loss with the auxiliary head's share, and the accuracy."""
    images = sum(share.images for share in shares)
    parts = [(share.images / images, share) for share in shares]
    value = float(sum((weight * share.loss for weight, share in parts[1:]), parts[0][0] * parts[0][1].loss))
    # Checked before the step, so that the weights, and the last checkpoint, stay finite.
    if not math.isfinite(value):
        rate = state.optimiser.param_groups[0]["lr"]
        what = f"diverged: its loss is {value} in step {state.steps + 1}, at the rate {rate:g} of w."
        raise DivergedError(what, hint="lower --learning-rate", task="the training")
    network = state.network
    for name, parameter in network.named_parameters():
        found = [weight * share.gradients[name] for weight, share in parts if name in share.gradients]
        parameter.grad = sum(found[1:], found[0]) if found else None
    torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    state.optimiser.step()
    for name, tensor in network.named_buffers():
        values = [share.buffers[name] for share in shares]
        tensor.copy_(sum(values[1:], values[0]) / len(values) if tensor.is_floating_point() else values[0])
    return value, float(sum((share.right for share in shares[1:]), shares[0].right) / images)


def _last_validated(state: TransferState) -> float:
    return state.history[-1]["steps"] if state.history else 0


def _validate(state: TransferState, validation: LabelledImages, device: torch.device) -> Validated:
    right = measure(state.network, validation, device)[0][:, 0].double()
    accuracy = float(right.mean())
    better = accuracy > state.best_accuracy
    state.best_accuracy = max(accuracy, state.best_accuracy)
    state.history.append({"steps": state.steps, "accuracy": accuracy})
    return Validated(state.steps, accuracy, interval(right), better)


@torch.no_grad()
def measure(network: DartsNetwork, images: LabelledImages, device: torch.device) -> tuple[Tensor, Bins]:
    """Whether each image's class is ranked first, and whether it is among the first five: float32 [n, 2] on the CPU;
    and the bins of the probabilities."""
    network.eval()
    found, bins = [], []
    for first in range(0, len(images), MEASURED_AT_ONCE):
        x, y = images.load(np.arange(first, min(first + MEASURED_AT_ONCE, len(images))), device)
        logits, _ = network(images.normalise(x))
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices == y[:, None]  # [N, 5]
        found.append(torch.stack([ranked[:, 0], ranked.any(1)], dim=1).float().cpu())
        bins.append(Bins.of(logits.softmax(-1), y))
    return torch.cat(found), Bins.sum(bins)


@dataclass(frozen=True)
class Transferred:
    """Cells after training: how many records decoded to them, their number of weights, the best validation accuracy
    (None without validation images), and what `measure` returns for the test images: [n, 2], and the bins, None where
    they were not kept."""

    digest: str
    count: int
    parameters: int
    validation: float | None
    right: Tensor
    bins: Bins | None = None

    def row(self) -> TrainedNetwork:
        """Their row in a result."""
        first, five = self.right.double().unbind(1)
        return TrainedNetwork(
            digest=self.digest,
            count=self.count,
            mean=float(first.mean()),
            interval=interval(first),
            top5_mean=float(five.mean()),
            validation=self.validation,
            parameters=self.parameters,
        )


@dataclass(frozen=True)
class Summary:
    """Means over images and over cells, weighted by their counts; the interval is over images."""

    mean: float
    interval: float
    ece: float | None
    top5_mean: float
    images: int
    parameters_mean: float
    per_genotype: tuple[TrainedNetwork, ...]


def summarise(trained: list[Transferred]) -> Summary:
    """The numbers of a result."""
    weights = torch.tensor([float(entry.count) for entry in trained], dtype=torch.float64)
    weights /= weights.sum()
    table = torch.stack([entry.right.double() for entry in trained])  # [cells, images, 2]
    first, five = torch.einsum("g,gnk->nk", weights, table).unbind(1)  # [images]
    return Summary(
        mean=float(first.mean()),
        interval=interval(first),
        ece=error_of([entry.bins for entry in trained], [float(entry.count) for entry in trained]),
        top5_mean=float(five.mean()),
        images=len(first),
        parameters_mean=float(weights @ weights.new_tensor([entry.parameters for entry in trained])),
        per_genotype=tuple(entry.row() for entry in trained),
    )
