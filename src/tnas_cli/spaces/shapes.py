"""Shapes of a network's parameters, how they start, and how many numbers they hold; without PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tnas_cli.errors import SettingsError

#: The name of a search network's architecture parameters among its parameters.
THETA = "theta"

#: A number of theta whose softmax is exactly 0; no number of theta below OPEN is a choice.
CLOSED = -1e4
OPEN = CLOSED / 2


@dataclass(frozen=True)
class Spec:
    """Shape of one tensor and its start: 'uniform' is U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch's layers start, with
    `centre` added; 'truncated' is N(0, deviation^2) without what is more than two standard deviations away.

    closed: rows and columns of theta that are no choices; they start at `CLOSED`. The loss has no gradient there, and
    weight decay moves them too little to open them.
    """

    shape: tuple[int, ...]
    start: Literal["uniform", "truncated", "ones", "zeros", "theta"] = "uniform"
    fan_in: int = 0
    centre: float = 0.0
    deviation: float = 0.1
    closed: tuple[tuple[int, int], ...] = ()

    def times(self, count: int) -> Spec:
        """`count` of them in one tensor."""
        return replace(self, shape=(count, *self.shape))


Specs = dict[str, Spec]


def count(specs: Mapping[str, Spec]) -> int:
    """How many weights w a network has; theta is not counted."""
    return sum(math.prod(spec.shape) for name, spec in specs.items() if name != THETA)


def check_size(network: str, size: int, smallest: int) -> None:
    """Raises SettingsError for images of size x size pixels that are too small for a network."""
    if size < smallest:
        raise SettingsError(
            f"{network} cannot take images of {size} pixels.", hint=f"prepare them with at least {smallest} pixels"
        )


def norm_specs(prefix: str, width: int) -> Specs:
    """Gain and bias of an affine batch norm."""
    return {f"{prefix}.gain": Spec((width,), "ones"), f"{prefix}.bias": Spec((width,), "zeros")}


def stem_widths(channels: int) -> tuple[int, int]:
    """Channels of the stem's two convolutions: 1.5 and 3 times the normal cell's channels."""
    return (3 * channels // 2, 3 * channels)


def stem_specs(in_channels: int, channels: int) -> Specs:
    """Convolution 3 x 3, affine batch norm, twice (Section 5.2.1)."""
    first, second = stem_widths(channels)
    return {
        "stem.0.conv": Spec((first, in_channels, 3, 3), fan_in=9 * in_channels),
        **norm_specs("stem.0", first),
        "stem.1.conv": Spec((second, first, 3, 3), fan_in=9 * first),
        **norm_specs("stem.1", second),
    }


def classifier_specs(features: int, way: int) -> Specs:
    """One linear layer."""
    return {
        "classifier.weight": Spec((way, features), fan_in=features),
        "classifier.bias": Spec((way,), fan_in=features),
    }


def conv_block_specs(prefix: str, fed: int, filters: int) -> Specs:
    """Convolution 3 x 3 with a bias, and affine batch norm: 4CONV's block."""
    return {
        f"{prefix}.conv": Spec((filters, fed, 3, 3), fan_in=9 * fed),
        f"{prefix}.conv_bias": Spec((filters,), fan_in=9 * fed),
        **norm_specs(prefix, filters),
    }
