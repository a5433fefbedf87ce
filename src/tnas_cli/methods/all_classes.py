"""A linear layer that tells all training classes apart, on a network's features.

Only the training needs it. It moves with the meta-parameters and is in their checkpoints, but in no model.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.methods.metric import embedding, feature_width
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.shapes import Specs, classifier_specs

PREFIX = "all_classes."


def head_specs(network: Network, classes: int) -> Specs:
    """Its weights; raises SettingsError for a network without features."""
    specs = classifier_specs(feature_width(network), classes)
    return {name.replace("classifier.", PREFIX): spec for name, spec in specs.items()}


def logits_of_all_classes(network: Network, parameters: Parameters, x: Tensor) -> Tensor:
    """x [T, N, C, H, W], parameters [T, ...] -> [T, N, classes]."""
    features = embedding(network).features(parameters, x)
    bias = parameters[f"{PREFIX}bias"].unsqueeze(1)
    return torch.baddbmm(bias, features, parameters[f"{PREFIX}weight"].transpose(1, 2))
