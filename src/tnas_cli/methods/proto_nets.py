"""Prototypical networks (Snell et al., 2017): the nearest class mean, by squared Euclidean distance."""

from __future__ import annotations

from torch import Tensor

from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import class_means
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import FeatureLearner, shapes
from tnas_cli.spaces.parameters import Parameters


class ProtoNets(FeatureLearner):
    """A class's logit is minus the squared distance to the mean of its support features (Equations 1 and 2 there)."""

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        means = class_means(support, support_y, self.way)  # [T, way, F]
        return -(query.unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)  # [T, Q, way]


METHOD = TrainMethod(
    about=OWN["protonets"][0],
    shapes=shapes,
    learner=ProtoNets.of,
)
