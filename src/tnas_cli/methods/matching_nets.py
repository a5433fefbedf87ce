"""Matching networks (Vinyals et al., 2016): attention over the support images by cosine similarity.

Without their full context embeddings (`matching_nets_fce.py`), as in most comparisons.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.methods.about import OWN
from tnas_cli.methods.class_means import one_hot
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.metric import FeatureLearner, shapes
from tnas_cli.spaces.parameters import Parameters

TINY = 1e-8


class MatchingNets(FeatureLearner):
    """A class's probability is the attention that its support images get (Equation 1 there)."""

    def scores(self, parameters: Parameters, support: Tensor, support_y: Tensor, query: Tensor) -> Tensor:
        return attention_scores(support, support_y, query, self.way)


def attention_scores(support: Tensor, support_y: Tensor, query: Tensor, way: int) -> Tensor:
    """Logarithms of the classes' probabilities [T, Q, way], from embeddings [T, S, F] and [T, Q, F] and labels [T, S]:
    the softmax over all support images of the cosine similarities, summed over each class.
    """
    support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
    attention = torch.bmm(query, support.transpose(1, 2)).softmax(-1)  # [T, Q, S]
    probabilities = torch.bmm(attention, one_hot(support_y, way, support))  # [T, Q, way]
    return (probabilities + TINY).log()


METHOD = TrainMethod(
    about=OWN["matching-nets"][0],
    shapes=shapes,
    learner=MatchingNets.of,
)
