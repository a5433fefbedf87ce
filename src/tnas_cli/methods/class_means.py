"""Class means as a linear layer: what ProtoNets compare with, for any network that ends with one.

The softmax of minus the squared distances to the means is that of 2 c_k . f - c_k . c_k (Snell et al., 2017, Section
2.4), so an adapted network's own linear layer can be replaced by the means of its support features.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.parameters import Parameters

#: Which linear layer answers for a single image: the adapted one, or that of the class means.
Classifier = Literal["linear", "means"]

WEIGHT, BIAS = "classifier.weight", "classifier.bias"


def one_hot(labels: Tensor, way: int, like: Tensor) -> Tensor:
    """Labels [T, N] -> [T, N, way] in the type of `like`."""
    return F.one_hot(labels, way).to(like.dtype)


def class_means(features: Tensor, labels: Tensor, way: int) -> Tensor:
    """The mean feature of each class [T, way, F], from features [T, S, F] and labels [T, S]."""
    member = one_hot(labels, way, features)  # [T, S, way]
    return torch.bmm(member.transpose(1, 2), features) / member.sum(1).unsqueeze(2)


def as_linear_layer(means: Tensor) -> Parameters:
    """Weight [T, way, F] and bias [T, way] of the linear layer that means [T, way, F] stand for."""
    return {WEIGHT: 2 * means, BIAS: -means.square().sum(-1)}
