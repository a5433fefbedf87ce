"""TADAM (Oreshkin et al., 2018): metric scaling, task conditioning, auxiliary co-training; the row of Table 6.

With features f of ResNet-12 and the mean c_k of f over a class's support images, the logits of a query image x are

    logit_k = -alpha |f(x; T) - c_k(T)|,  alpha = 7.5

The distance is not squared, and alpha is fixed, as in the authors' code (the paper calls it learnable). f(x; T) is
conditioned on the task: a first pass without conditioning gives the class means of the support set, and their mean is
the task's vector t; from t, a network computes a scale gamma and a shift beta after the norm of every convolution
(`spaces/film.py`). beta0 = gamma0 = 0 at the start, when TADAM is a prototypical network with scaled distances.

Co-training: with probability 0.9^floor(20 s), s the share of the training that is done, a step also learns to tell all
training classes apart, by a linear layer on the features without conditioning. The authors take a step of its own on a
batch of 64 images; here its loss is added to that of the tasks, and the images are divided among them.

The outer steps are SGD's with momentum 0.9, on gradients of at most length 1 for each tensor, at the rate 0.1, which
falls to a tenth at 1/2, 7/12 and 2/3 of the training. Weight decay is 5e-4 for convolutions and linear layers, and 0.01
for beta0 and gamma0. Each task's query images are those of all methods here, so many of each class (the authors draw 12
of any class), and pixels are normalised as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.parts import in_parts, joined
from tnas_cli.engines.torch_engine import task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.all_classes import logits_of_all_classes
from tnas_cli.methods.class_means import class_means
from tnas_cli.methods.learner import Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import Compared, MetricLearner
from tnas_cli.methods.metric import shapes as without_classifier
from tnas_cli.methods.own_network import resnet12_of
from tnas_cli.methods.streams import EpisodesBeside
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.film import BETA_0, GAMMA_0, conditioned, film_specs
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks
from tnas_cli.spaces.resnet12 import TADAM as FORM
from tnas_cli.spaces.resnet12 import ResNet12
from tnas_cli.update.outer import ClippedSGD

ALPHA = 7.5
MOMENTUM, CLIP = 0.9, 1.0
WEIGHT_DECAY, DECAY_OF_SCALES = 5e-4, 0.01

#: The shares of the training at which the outer rate falls to a tenth: 15,000, 17,500 and 20,000 of 30,000 steps.
FALLS = (1 / 2, 7 / 12, 2 / 3)


@dataclass(frozen=True)
class Tadam(MetricLearner):
    """The scaled distance to class means, of features that are conditioned on the task."""

    network: ResNet12
    way: int

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        means = class_means(support, support_y, self.way)  # [T, way, F]
        distances: Tensor = torch.linalg.vector_norm(query.unsqueeze(2) - means.unsqueeze(1), dim=-1)
        return -ALPHA * distances  # [T, Q, way]

    def for_task(self, own: Parameters, support: Labelled) -> Parameters:
        """The parameters [T, ...] with norms conditioned on each task."""
        task = class_means(self.embed(own, support[0]), support[1], self.way).mean(1)  # [T, F]
        return own | conditioned(own, task)

    def judged(self, own: Parameters, batch: TaskBatch, progress: float) -> tuple[Tensor, Tensor]:
        scores, losses = super().judged(self.for_task(own, batch.support), batch, progress)
        beside = batch.beside
        if beside is not None:
            used = beside.chance < co_training(progress)  # [T]
            if bool(used.any()):
                of_all = task_losses(logits_of_all_classes(self.network, own, beside.x), beside.y)
                losses = losses + torch.where(used, of_all, torch.zeros_like(of_all))
        return scores, losses

    def fit(self, parameters: Parameters, support: Labelled) -> Compared:
        own = for_tasks(parameters, len(support[0]))

        @torch.no_grad()
        def part(of: slice) -> Parameters:
            these = {name: tensor[of] for name, tensor in own.items()}
            found = self.for_task(these, (support[0][of], support[1][of]))
            return {name: tensor for name, tensor in found.items() if tensor is not these[name]}

        parts = in_parts(part, support[0])
        return self.fitted(own | {name: joined([one[name] for one in parts]) for name in parts[0]}, support)


def co_training(progress: float) -> float:
    """The probability of co-training in a step."""
    return float(0.9 ** int(20 * progress))


def rate(progress: float) -> float:
    """The factor of the outer rates: a tenth of it after each fall."""
    return float(0.1 ** sum(progress >= fall for fall in FALLS))


def resnet12(network: Network) -> ResNet12:
    """TADAM's network; raises SettingsError for any other."""
    return resnet12_of(network, FORM, "tadam", "resnet12")


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """Weights of ResNet-12 without a classifier, and of the task embedding network."""
    return without_classifier(resnet12(network), settings) | film_specs(resnet12(network))


def optimiser(parameters: Parameters, settings: SearchSettings | TrainSettings) -> ClippedSGD:
    """SGD with momentum; each tensor has its weight decay."""
    decays = {BETA_0: DECAY_OF_SCALES, GAMMA_0: DECAY_OF_SCALES}
    decays |= {name: WEIGHT_DECAY for name in parameters if name.endswith((".conv", ".weight"))}
    groups = [{"params": [tensor], "weight_decay": decays.get(name, 0.0)} for name, tensor in parameters.items()]
    return ClippedSGD(groups, lr=settings.alpha_outer, momentum=MOMENTUM, longest=CLIP)


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Tadam:
    """On ResNet-12; raises SettingsError for other networks."""
    return Tadam(resnet12(network), settings.way)


METHOD = TrainMethod(
    about=OWN["tadam"][0],
    shapes=shapes,
    learner=learner,
    optimiser=optimiser,
    stream=EpisodesBeside(),
    schedule=rate,
)
