"""CompareNets, the relation network (Sung et al., 2018): a small network judges pairs of feature maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import MetricLearner
from tnas_cli.methods.own_network import in_place_of_4conv
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.relation_network import RelationNetwork


@dataclass(frozen=True)
class CompareNets(MetricLearner):
    """A class's score is the relation, 0 to 1, of a query's map to the sum of the class's support maps; the loss is the
    mean squared error to 1 for the right class and 0 for the others (Equations 1 and 2 there).
    """

    network: RelationNetwork
    way: int

    def embed(self, parameters: Parameters, x: Tensor) -> Tensor:
        return self.network.maps(parameters, x)  # [T, N, C, h, w]

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        member = one_hot(support_y, self.way, support)  # [T, S, way]
        sums = torch.einsum("tsk,tschw->tkchw", member, support)  # [T, way, C, h, w]
        tasks, queries = query.shape[:2]
        ours = query.unsqueeze(2).expand(-1, -1, self.way, -1, -1, -1)  # [T, Q, way, C, h, w]
        theirs = sums.unsqueeze(1).expand(-1, queries, -1, -1, -1, -1)  # [T, Q, way, C, h, w]
        pairs = torch.cat([theirs, ours], dim=3).flatten(1, 2)  # [T, Q * way, 2 C, h, w]
        return self.network.relations(parameters, pairs).view(tasks, queries, self.way)

    def losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        return (scores - one_hot(labels, self.way, scores)).square().mean(dim=(1, 2))


def relation_network(network: Network) -> RelationNetwork:
    """CompareNets' network for the same images as 4CONV; raises SettingsError for any other network."""
    return in_place_of_4conv(network, "compare-nets", RelationNetwork)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The relation network's weights."""
    return relation_network(network).specs()


def learner(engine: Engine, network: Network, settings: TrainSettings) -> CompareNets:
    """The relation network that takes the place of 4CONV."""
    return CompareNets(relation_network(network), settings.way)


METHOD = TrainMethod(
    about=OWN["compare-nets"][0],
    shapes=shapes,
    learner=learner,
)
