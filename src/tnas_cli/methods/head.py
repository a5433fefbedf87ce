"""The last linear layer, and a start of it at zero (the zeroing trick: Kao, Chiu and Chen, 2022).

A linear layer that is learned as a start is wrong before each task's first step, further than chance, and the step that
puts it right is large and disturbs the features (docs/results.md has the numbers). At zero all classes have the same
probability, so that the first step moves the linear layer alone, by

    alpha / S * sum over the S support images of (one-hot label - 1 / way) * features,

the centred class means at a rate; from the second step on everything moves. A layer with equal rows gives the same
steps as one of zeros, because softmax sees the differences between classes alone. So the one vector of UNICORN-MAML
(Ye and Chao, 2022) is this start too, and what it learns changes nothing.
"""

from __future__ import annotations

from typing import Literal

import torch

from tnas_cli.methods.about import About
from tnas_cli.settings.features import HEAD
from tnas_cli.settings.meta_learning import MetaLearningSettings
from tnas_cli.spaces.parameters import Parameters


def is_head(name: str) -> bool:
    """Whether a tensor belongs to the last linear layer."""
    return name.startswith("classifier.")


def with_zero_head(parameters: Parameters) -> Parameters:
    """The same parameters with a linear layer of zeros."""
    return {name: torch.zeros_like(tensor) if is_head(name) else tensor for name, tensor in parameters.items()}


def head_of(about: About, settings: MetaLearningSettings) -> Literal["zero"] | None:
    """'zero' where each task begins with a linear layer of zeros; None for a learned one, and for methods without."""
    return "zero" if HEAD in about.reads and settings.head == "zero" else None
