"""Prototypical networks (Snell et al., 2017): the nearest class mean, by squared Euclidean distance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import class_means
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import MetricLearner, embedding, shapes
from tnas_cli.spaces.network import Embedding
from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class ProtoNets(MetricLearner):
    """A class's logit is minus the squared distance to the mean of its support features (Equations 1 and 2 there)."""

    network: Embedding
    way: int

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.features(parameters, x)

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        means = class_means(support, support_y, self.way)  # [T, way, F]
        return -(query.unsqueeze(2) - means.unsqueeze(1)).square().sum(-1)  # [T, Q, way]


METHOD = TrainMethod(
    about=OWN["protonets"][0],
    shapes=shapes,
    learner=lambda engine, network, settings: ProtoNets(embedding(network), settings.way),
)
