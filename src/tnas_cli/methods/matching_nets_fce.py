"""Matching networks with full context embeddings (Vinyals et al., 2016, Section 2.1.2 and Appendix A).

Every support image is embedded in the context of the others, and every query image in that of the support set. With
g' = f' the network's features (width D), and a support set x_1, ..., x_S in the order of the task:

    g(x_i) = h>_i + h<_i + g'(x_i),  h> and h< the outputs of an LSTM that reads g'(x_1), ..., g'(x_S) forwards,
                                     and of another one that reads them backwards
    h^_k, c_k = LSTM(f'(x), [h_(k-1), r_(k-1)], c_(k-1)),  h_k = h^_k + f'(x)
    r_(k-1) = sum_i a_i g(x_i),  a = softmax over i of h_(k-1) . g(x_i)
    f(x) = h_K,  h_0 = c_0 = 0, so r_0 is the mean of g

An answer is the attention of f(x) over g(x_1), ..., g(x_S), as without full context embeddings. The paper leaves K
open. Here it is 3, as in Ravi & Larochelle (2017), whose 4CONV with 64 filters has 71,812,288 weights on 84 x 84
pixels, as this one has. The paper leaves the order of the support set open, too. Here it is class by class; the classes
of a training task are drawn in random order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.methods.about import OWN
from tnas_cli.methods.matching_nets import attention_scores
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import FeatureLearner, feature_width, shapes
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.lstm import from_input, lstm_specs, lstm_step
from tnas_cli.spaces.parameters import Parameters, Spec

#: K: how often a query image reads the support set.
READS = 3

FORWARDS, BACKWARDS, READING = "context.forwards", "context.backwards", "context.reading"


class MatchingNetsFCE(FeatureLearner):
    """A class's probability is the attention that its support images get, all in the context of the support set."""

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        g = support_in_context(parameters, support)  # [T, S, D]
        return attention_scores(g, support_y, query_in_context(parameters, query, g), self.way)


def support_in_context(parameters: Parameters, support: Tensor) -> Tensor:
    """g of the support features [T, S, D], in their order: [T, S, D]."""
    forwards = _read_through(parameters, FORWARDS, support)
    backwards = _read_through(parameters, BACKWARDS, support.flip(1)).flip(1)
    return forwards + backwards + support


def query_in_context(parameters: Parameters, query: Tensor, g: Tensor) -> Tensor:
    """f of the query features [T, Q, D], after K reads of g [T, S, D]: [T, Q, D]."""
    fed = from_input(parameters, READING, query)
    h, cell = torch.zeros_like(query), torch.zeros_like(query)
    for _ in range(READS):
        read = torch.bmm(torch.bmm(h, g.mT).softmax(-1), g)  # [T, Q, D]
        out, cell = lstm_step(parameters, READING, fed, torch.cat([h, read], dim=-1), cell)
        h = out + query
    return h


def _read_through(parameters: Parameters, prefix: str, x: Tensor) -> Tensor:
    """An LSTM's outputs [T, S, D] while it reads x [T, S, D] from the first to the last."""
    fed = from_input(parameters, prefix, x)
    out, cell = torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1])
    outs = []
    for step in range(x.shape[1]):
        out, cell = lstm_step(parameters, prefix, fed[:, step : step + 1], out, cell)
        outs.append(out)
    return torch.cat(outs, dim=1)


def shapes_with_context(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The embedding's weights and those of the three LSTMs; raises SettingsError for a network without features."""
    width = feature_width(network)
    return (
        shapes(network, settings)
        | lstm_specs(FORWARDS, width, width, width)
        | lstm_specs(BACKWARDS, width, width, width)
        | lstm_specs(READING, width, 2 * width, width)
    )


METHOD = TrainMethod(
    about=OWN["matching-nets-fce"][0],
    shapes=shapes_with_context,
    learner=MatchingNetsFCE.of,
)
