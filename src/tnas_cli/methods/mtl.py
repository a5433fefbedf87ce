"""MTL, meta-transfer learning (Sun et al., 2019): scaling and shifting of a pre-trained network; a row of Table 6.

First, MTL's ResNet-12 learns to tell all training classes apart (`phase.py`). Then its kernels W are frozen, and for
every convolution of 3 x 3 a number for each pair of channels scales its kernel, and its bias is the shift:

    SS(x; s, b) = (W * s) x + b,  s starts at 1, b at the pre-trained bias                          (Equation 5 there)

Inside a task only the linear layer theta moves, by gradient steps on the support loss, with the features f(x; s, b):

    theta <- theta - alpha * gradient of the support loss                                           (Equation 2 there)

The outer loop learns s, b and the start of theta by the query loss after the last step, and its gradient goes through
all steps (`--order first`: through none). The authors sum the support loss over classes, with the rate 0.001; the mean
of the loss here and the rate 0.005 are the same step at 5-way. Adam's rate is 1e-3, and is halved after each fifteenth
of the training, down to 1e-4.

Between meta-batches, hard tasks are drawn from the classes that were answered worst (`hard_tasks.py`). The row of Table
6 is with them. Without them (`--hard-tasks 0`), the authors' code reaches 60.2 ± 1.8% at 1-shot and 74.3 ± 0.9% at
5-shot.

Ours: no dropout in the pre-training, and no mirrored support images in tests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, MetaGradient, Network
from tnas_cli.engines.parts import in_parts, joined, summed
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import BIAS, WEIGHT, one_hot
from tnas_cli.methods.hard_tasks import weakest
from tnas_cli.methods.learner import AdaptingLearner, Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.own_network import resnet12_of
from tnas_cli.methods.phase import Phase
from tnas_cli.methods.streams import HardEpisodes
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.moments import moments_of_first
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks
from tnas_cli.spaces.resnet12 import CONVOLUTIONS, ResNet12
from tnas_cli.spaces.resnet12 import MTL as FORM
from tnas_cli.spaces.stem import linear

#: What the outer loop learns, by the ends of names: scales, shifts, and the start of the linear layer.
LEARNED = (".scale", ".conv_bias", WEIGHT, BIAS)

#: Adam's rate is halved after 1,000 of 15,000 steps, and ends at a tenth.
HALVINGS, LOWEST = 15, 0.1


@dataclass(frozen=True)
class Mtl(AdaptingLearner):
    """Steps of the linear layer on the features of a scaled and shifted network."""

    engine: Engine
    network: ResNet12
    alpha: float
    steps: int
    test_steps: int
    second_order: bool
    from_support: bool

    @property
    def by_support(self) -> bool:
        return self.from_support

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        names = [name for name in parameters if name.endswith(LEARNED)]

        def part(of: slice) -> tuple[list[Tensor], Tensor, Tensor, Tensor]:
            leaves = {name: parameters[name].detach().requires_grad_() for name in names}
            own, these = scaled(for_tasks(parameters | leaves, of.stop - of.start)), batch.part(of)
            support, query = self._features(own, these)
            head, _ = self._adapted(own, (support, these.support_y), self.steps)
            logits = linear(head, query)
            losses = task_losses(logits, these.query_y)
            grads = torch.autograd.grad(losses.sum(), list(leaves.values()))
            answers = logits.detach()
            worst = weakest(answers, these.query_y, these.way)
            return list(grads), losses.detach(), task_accuracies(answers, these.query_y), worst

        grads, losses, right, worst = zip(*in_parts(part, batch.query_x), strict=True)
        gradients = dict(zip(names, summed(grads), strict=True))
        found = MetaGradient(gradients, joined(list(losses)), joined(list(right)))
        if batch.classes is None:
            return found
        return replace(found, weakest=batch.classes.gather(1, joined(list(worst)).unsqueeze(1)).squeeze(1))

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        """The network's weights [T, ...] with scales taken into kernels, and each task's own linear layer."""

        @torch.no_grad()
        def part(of: slice) -> tuple[Parameters, Tensor]:
            own, (x, labels) = scaled(for_tasks(parameters, of.stop - of.start)), (support[0][of], support[1][of])
            features = self.network.features(own, x)
            head, losses = self._adapted(own, (features, labels), self.test_steps)
            return own | head, torch.stack([*losses, task_losses(linear(head, features), labels)], dim=1)

        adapted, losses = zip(*in_parts(part, support[0]), strict=True)
        return Adapted({name: joined([own[name] for own in adapted]) for name in adapted[0]}, joined(list(losses)))

    def _features(self, own: Parameters, batch: TaskBatch) -> tuple[Tensor, Tensor]:
        """Of support and query images; the latter by their own moments, or by those of the support images."""
        if not self.from_support:
            return self.network.features(own, batch.support_x), self.network.features(own, batch.query_x)
        count = batch.support_x.shape[1]
        with moments_of_first(count):
            features = self.network.features(own, torch.cat([batch.support_x, batch.query_x], dim=1))
        return features[:, :count], features[:, count:]

    def _adapted(self, own: Parameters, support: Labelled, steps: int) -> tuple[Parameters, list[Tensor]]:
        """The linear layer after the steps on features [T, S, F], and the support loss [T] before each of them."""
        features, labels = support
        head, right = {WEIGHT: own[WEIGHT], BIAS: own[BIAS]}, one_hot(labels, self.network.way, features)
        losses: list[Tensor] = []
        for _ in range(steps):
            logits = linear(head, features)
            losses.append(task_losses(logits, labels).detach())
            # The gradient of the mean cross-entropy in closed form.
            error = (logits.softmax(-1) - right) / features.shape[1]  # [T, S, way]
            gradient = {WEIGHT: torch.bmm(error.transpose(1, 2), features), BIAS: error.sum(1)}
            if not self.second_order:
                gradient = {name: tensor.detach() for name, tensor in gradient.items()}
            head = {name: tensor - self.alpha * gradient[name] for name, tensor in head.items()}
        return head, losses


def scaled(parameters: Parameters) -> Parameters:
    """The network's own weights [T, ...]: every kernel times its scales."""
    own = {name: tensor for name, tensor in parameters.items() if not name.endswith(".scale")}
    for convolution in CONVOLUTIONS:
        own[f"{convolution}.conv"] = own[f"{convolution}.conv"] * parameters[f"{convolution}.scale"][..., None, None]
    return own


def rate(progress: float) -> float:
    """The factor of the outer rate."""
    return float(max(LOWEST, 0.5 ** int(HALVINGS * progress)))


def resnet12(network: Network) -> ResNet12:
    """MTL's network; raises SettingsError for any other."""
    return resnet12_of(network, FORM, "mtl", "resnet12-mtl")


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """Weights of ResNet-12, and the scales of its convolutions [filters, channels]."""
    specs = resnet12(network).specs()
    return specs | {f"{name}.scale": Spec(specs[f"{name}.conv"].shape[:2], "ones") for name in CONVOLUTIONS}


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Mtl:
    """On ResNet-12; raises SettingsError for other networks."""
    s = settings
    second = s.order == "second"
    return Mtl(engine, resnet12(network), s.alpha_inner, s.inner_steps, s.test_steps, second, s.by_support)


METHOD = TrainMethod(
    about=OWN["mtl"][0],
    shapes=shapes,
    learner=learner,
    stream=HardEpisodes(),
    before=Phase(),
    schedule=rate,
)
