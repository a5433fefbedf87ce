"""Siamese networks (Koch et al., 2015): one network embeds both images of a pair, which are judged same or different.

With features h(a) and h(b) of width D,

    p(a, b) = sigmoid(z(a, b)),  z(a, b) = bias + sum_j alpha_j |h_j(a) - h_j(b)|

is the probability that a and b are of the same class, and the loss of a pair is the cross-entropy of p. Koch et al.
draw as many same as different pairs. Here a training task has all pairs of a query image and a support image, and the
mean over its same pairs counts as much as the mean over its different ones: the expectation of drawing half of each.
alpha and the bias start at 0, so that no difference speaks for the same class by chance. Koch et al. regularise each
layer, with weights that they do not publish; here nothing is regularised.

A query image takes the class with the largest z. With several shots, a class has the mean z of its support images; Koch
et al. have one shot only. If exactly one class is the right one, and pairs are judged independently, the class has the
odds p / (1 - p) = exp(z), so the softmax of z gives the probabilities of the classes.

The published network has 38,951,745 weights on 105 x 105 pixels. Here 4CONV or a genotype embeds, as in the four-block
version of Vinyals et al. (2016), whose numbers the comparisons quote.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import class_means
from tnas_cli.methods.learner import Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import FeatureLearner, feature_width, shapes
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec

ALPHA, BIAS = "siamese.alpha", "siamese.offset"


class Siamese(FeatureLearner):
    """A class's logit is the mean of z over the pairs of the query image and the class's support images."""

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        return self._of_classes(judged(parameters, support, query), support_y)

    def compared(self, parameters: Parameters, support: Labelled, query: Labelled) -> tuple[Tensor, Tensor]:
        z = judged(parameters, support[0], query[0])
        same = query[1].unsqueeze(2) == support[1].unsqueeze(1)  # [T, Q, S]
        return self._of_classes(z, support[1]), pair_losses(z, same)

    def _of_classes(self, z: Tensor, support_y: Tensor) -> Tensor:
        """The mean z [T, Q, way] over each class's support images, from z [T, Q, S]."""
        return class_means(z.mT, support_y, self.way).mT


def judged(parameters: Parameters, support: Tensor, query: Tensor) -> Tensor:
    """z of every pair [T, Q, S], from features [T, S, D] and [T, Q, D]."""
    distances = (query.unsqueeze(2) - support.unsqueeze(1)).abs()  # [T, Q, S, D]
    weighted = torch.einsum("tqsd,td->tqs", distances, parameters[ALPHA])
    return weighted + parameters[BIAS].unsqueeze(2)


def pair_losses(z: Tensor, same: Tensor) -> Tensor:
    """The loss of each task [T], from z and same [T, Q, S]: the mean cross-entropy of its same pairs and that of its
    different ones, half of each.
    """
    losses = F.binary_cross_entropy_with_logits(z, same.to(z.dtype), reduction="none")
    kinds = torch.stack([same, ~same]).to(z.dtype)  # [2, T, Q, S]
    return ((losses * kinds).sum((2, 3)) / kinds.sum((2, 3))).mean(0)


def shapes_with_judge(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The embedding's weights, alpha and the bias; raises SettingsError for a network without features."""
    width = feature_width(network)
    return shapes(network, settings) | {ALPHA: Spec((width,), "zeros"), BIAS: Spec((1,), "zeros")}


METHOD = TrainMethod(
    about=OWN["siamese"][0],
    shapes=shapes_with_judge,
    learner=Siamese.of,
)
