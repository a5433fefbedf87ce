"""R2-D2 (Bertinetto et al., 2019): ridge regression on the support features, solved in closed form.

With the S support features X [S, F + 1], the last column of ones, their one-hot labels Y [S, way] and lambda > 0, the
task's linear layer is W = (X'X + S lambda I)^-1 X'Y. By the Woodbury identity that is W = X'(XX' + S lambda I)^-1 Y,
whose inverse has only the size of the support set. The logits of a query feature x are scale * xW + bias. The outer
loop learns the embedding, lambda, scale and bias by the query images' cross-entropy, with gradients through the solver.

As in the authors' code the squared errors are averaged over the support set, so that S multiplies lambda, and the row
of W that belongs to the ones is penalised too. lambda and scale are powers of 10 with learned exponents. One bias for
all classes changes no probability; it is part of the publication.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.methods import metric
from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import BIAS, WEIGHT, one_hot
from tnas_cli.methods.learner import Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import FeatureLearner
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec

LAMBDA, SCALE, SHIFT = "ridge.lambda_exponent", "ridge.scale_exponent", "ridge.bias"

#: lambda starts at 1 and scale at 10.
OWN_SPECS = {LAMBDA: Spec((1,), "zeros"), SCALE: Spec((1,), "ones"), SHIFT: Spec((1,), "zeros")}


class R2D2(FeatureLearner):
    """A task's linear layer is the solution of its ridge regression."""

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        weight, bias = self._layer(parameters, support, support_y)
        return torch.baddbmm(bias.unsqueeze(1), query, weight)

    def as_network(self, own: Parameters, support: Labelled) -> tuple[Network, Parameters]:
        """The embedding's network, with the solution as its classifier."""
        weight, bias = self._layer(own, self.embed(own, support[0]), support[1])
        body = {name: tensor for name, tensor in own.items() if name not in OWN_SPECS}
        return self.network, body | {WEIGHT: weight.transpose(1, 2), BIAS: bias}

    def _layer(self, parameters: Parameters, support: Tensor, support_y: Tensor) -> tuple[Tensor, Tensor]:
        """Weight [T, F, way] and bias [T, way] of the linear layer that gives logits."""
        solved = ridge(support, one_hot(support_y, self.way, support), 10 ** parameters[LAMBDA])
        solved = 10 ** parameters[SCALE].unsqueeze(2) * solved
        return solved[:, :-1], solved[:, -1] + parameters[SHIFT]


def ridge(features: Tensor, targets: Tensor, penalty: Tensor) -> Tensor:
    """The ridge regression W [T, F + 1, K] of targets [T, S, K] on features [T, S, F] and a constant, whose weights are
    the last row; penalty [T, 1] for the mean squared error. Numbers are not finite where there is no solution."""
    tasks, count, _ = features.shape
    x = torch.cat([features, features.new_ones(tasks, count, 1)], dim=2)  # [T, S, F + 1]
    identity = torch.eye(count, dtype=x.dtype, device=x.device)
    gram = torch.bmm(x, x.transpose(1, 2)) + count * penalty.unsqueeze(2) * identity  # [T, S, S]
    return torch.bmm(x.transpose(1, 2), torch.linalg.solve_ex(gram, targets).result)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights without a classifier, and the exponents of lambda and scale, and the bias."""
    metric.embedding(network)
    return metric.shapes(network, settings) | OWN_SPECS


METHOD = TrainMethod(
    about=OWN["r2d2"][0],
    shapes=shapes,
    learner=R2D2.of,
)
