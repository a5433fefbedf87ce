"""The memory module (Kaiser et al., "Learning to remember rare events", 2017): keys and classes that are written image
by image. Table 2 quotes it.

A memory has slots of a key, a class and an age. An image's query vector q, of length 1, is compared with all keys k by
q . k; free slots have the key 0 and no class. With v the image's class, k+ the nearest key of class v and k- the
nearest of all others, the loss of the image is

    max(0, q . k- - q . k+ + 0.1) - 0.1,  k+ = 0 where no slot has the class v.

Keys are constants here: the gradient goes through q alone. Then the image is written. If the nearest of all keys is of
class v, it becomes (k + q) / |k + q|; otherwise q and v take the oldest slot. A slot's age is the number of writes
since its own last one.

A training task is one walk through its support and query images, with a memory that begins empty; every class comes
once before any comes twice. Its loss is the mean over all of them. A new task's memory is that of a walk through its
support set. It answers a query image by the largest q . k of each class, and does not change; Kaiser et al. go on
writing while they measure.

The network is that of the authors' code, with dropout of 0.7 on the layer before q in training. The outer steps are
Adam's, with their epsilon of 1e-4, on gradients of at most length 5. They make one step for each image of 16 tasks;
here all images of a meta-batch are one step, on the mean of their losses, at the rate of the settings. They add noise
to ages, so that parallel writers choose different slots; here a task has a memory to itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import task_noise
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.learner import Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import MetricLearner
from tnas_cli.methods.optimiser import outer_adam
from tnas_cli.methods.own_network import in_place_of_4conv
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.memory_network import MemoryNetwork
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.update.outer import cut_at

MARGIN = 0.1
#: What the cosines of answers are multiplied with: a key that is nearer than 255 others by the margin has a sixth of
#: the whole probability or more.
SHARPNESS = math.log(0.2 * 256) / MARGIN
SLOTS = 8192
FREE = -1  # the class of a free slot
KEYS, MEMBER = "memory.keys", "memory.member"
EPSILON, LONGEST = 1e-4, 5.0  # of Adam; of the outer gradient
KEPT = 0.3  # share of the hidden units that dropout keeps


class Memory(NamedTuple):
    """Each task's slots after a walk, and what every image met: keys [T, S, D], classes [T, S]; right and wrong, the
    keys k+ and k- of each image [T, N, D]."""

    keys: Tensor
    classes: Tensor
    right: Tensor
    wrong: Tensor


@dataclass(frozen=True)
class Remembering:
    """The network with a task's memory, which is among its parameters."""

    network: MemoryNetwork

    @property
    def way(self) -> int:
        return self.network.way

    @property
    def in_channels(self) -> int:
        return self.network.in_channels

    def specs(self) -> dict[str, Spec]:
        """Those of the network; a memory is as large as a task makes it."""
        return self.network.specs()

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """x [T, N, C, size, size], parameters [T, ...] -> [T, N, way]."""
        return answers(self.network.features(parameters, x), parameters[KEYS], parameters[MEMBER])


@dataclass(frozen=True)
class MemoryModule(MetricLearner):
    """A class's logit is the cosine of a query image to the nearest of the class's keys. seed: of the dropout."""

    network: MemoryNetwork
    way: int
    seed: int = 0

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        return answers(query, *self._memory(support, support_y))

    def as_network(self, own: Parameters, support: Labelled) -> tuple[Network, Parameters]:
        """The network with what the memory holds."""
        keys, member = self._memory(self.embed(own, support[0]), support[1])
        return Remembering(self.network), own | {KEYS: keys, MEMBER: member}

    def _memory(self, support: Tensor, support_y: Tensor) -> tuple[Tensor, Tensor]:
        """The keys [T, S, D] after a walk through support features, and which class [T, way, S] each belongs to."""
        order = in_rounds(support_y, self.way)
        memory = walk(_ordered(support, order), support_y.gather(1, order))
        number = torch.arange(self.way, device=support.device).view(1, -1, 1)
        return memory.keys, (memory.classes.unsqueeze(1) == number).to(support.dtype)

    def judged(self, own: Parameters, batch: TaskBatch, progress: float) -> tuple[Tensor, Tensor]:
        x = torch.cat([batch.support_x, batch.query_x], dim=1)
        labels = torch.cat([batch.support_y, batch.query_y], dim=1)
        hidden = self.network.hidden(own, x)
        drawing = task_noise.generators(x, self.seed, "dropout")
        noise = task_noise.uniform(drawing, tuple(hidden.shape[1:]), hidden)
        q = self.network.projected(own, hidden * (noise < KEPT) / KEPT)
        count = batch.support_y.shape[1]
        with torch.no_grad():
            scores = self.scores(own, q[:, :count], batch.support_y, q[:, count:])
        order = in_rounds(labels, self.way)
        q, labels = _ordered(q, order), labels.gather(1, order)
        return scores, losses(q, walk(q, labels)).mean(1)


def answers(query: Tensor, keys: Tensor, member: Tensor) -> Tensor:
    """Logits [T, Q, way] of query vectors [T, Q, D], from keys [T, S, D] and their classes as 0 and 1 [T, way, S]."""
    alike = torch.bmm(query, keys.mT).unsqueeze(2)  # [T, Q, 1, S]
    return SHARPNESS * torch.where(member.unsqueeze(1) > 0, alike, -1.0).amax(-1)


def losses(q: Tensor, memory: Memory) -> Tensor:
    """The loss of each image [T, N] that was walked through, from its query vector [T, N, D]."""
    return F.relu((q * (memory.wrong - memory.right)).sum(-1) + MARGIN) - MARGIN


def walk(q: Tensor, labels: Tensor, slots: int = SLOTS) -> Memory:
    """An empty memory after the images with query vectors q [T, N, D] and labels [T, N], in their order.

    Slots that no image can reach are left out: free ones are chosen first.
    """
    q, slots = q.detach(), min(slots, q.shape[1] + 1)
    keys = q.new_zeros(q.shape[0], slots, q.shape[2])
    classes = labels.new_full((q.shape[0], slots), FREE)
    ages = torch.zeros_like(classes)
    right, wrong = [], []
    for one, label in zip(q.unbind(1), labels.unsqueeze(2).unbind(1), strict=True):
        alike, same = torch.bmm(keys, one.unsqueeze(2)).squeeze(2), classes == label  # [T, S]
        right.append(_nearest(keys, alike, same))
        wrong.append(_nearest(keys, alike, ~same))
        nearest = alike.argmax(1, keepdim=True)  # [T, 1]
        hit = same.gather(1, nearest)
        slot = torch.where(hit, nearest, ages.argmax(1, keepdim=True))
        written = one_hot(slot, slots, classes).squeeze(1).bool()  # [T, S]
        key = torch.where(hit, F.normalize(_nearest(keys, alike, written) + one, dim=1), one)  # [T, D]
        keys = torch.where(written.unsqueeze(2), key.unsqueeze(1), keys)
        classes, ages = torch.where(written, label, classes), torch.where(written, 0, ages + 1)
    return Memory(keys, classes, torch.stack(right, dim=1), torch.stack(wrong, dim=1))


def _nearest(keys: Tensor, alike: Tensor, among: Tensor) -> Tensor:
    """Of the slots `among` [T, S], the key that is most alike [T, D]; 0 where there are none."""
    best = alike.masked_fill(~among, -torch.inf).argmax(1, keepdim=True)
    found = keys.gather(1, best.unsqueeze(2).expand(-1, -1, keys.shape[2])).squeeze(1)
    return found * among.any(1, keepdim=True)


def in_rounds(labels: Tensor, way: int) -> Tensor:
    """An order of images [T, N] in which every class comes once before any comes twice, from their labels."""
    before = one_hot(labels, way, labels).cumsum(1).gather(2, labels.unsqueeze(2)).squeeze(2)  # [T, N]
    return before.argsort(dim=1, stable=True)


def _ordered(vectors: Tensor, order: Tensor) -> Tensor:
    return vectors.gather(1, order.unsqueeze(2).expand_as(vectors))


def memory_network(network: Network) -> MemoryNetwork:
    """The memory module's network for the same images as 4CONV; raises SettingsError for any other network."""
    return in_place_of_4conv(network, "memory-module", MemoryNetwork)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The weights of the memory module's network; the memory itself belongs to a task."""
    return memory_network(network).specs()


def learner(engine: Engine, network: Network, settings: TrainSettings) -> MemoryModule:
    """The network that takes the place of 4CONV."""
    return MemoryModule(memory_network(network), settings.way, settings.seed)


def optimiser(parameters: Parameters, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam with a large epsilon, on an outer gradient that is cut at the norm 5."""
    made = outer_adam(parameters, settings)
    for group in made.param_groups:
        group["eps"] = EPSILON
    return cut_at(made, LONGEST)


METHOD = TrainMethod(
    about=OWN["memory-module"][0],
    optimiser=optimiser,
    shapes=shapes,
    learner=learner,
)
