"""What is subtracted from each channel of the pixels (0 to 1), and what the rest is divided by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tnas_cli.errors import SettingsError

Values = tuple[float, ...]


@dataclass(frozen=True)
class Normalisation:
    """mean, std: a number for each channel, or one for all; None is measured on the training images."""

    mean: Values | None
    std: Values | None

    def on(self, channels: int) -> dict[str, Values]:
        """`mean` and `std` with a number for each channel, where they are not to be measured; raises SettingsError for
        numbers for other channels."""
        given = {"mean": self.mean, "std": self.std}
        return {name: each_channel(values, channels) for name, values in given.items() if values is not None}


NAMED = {
    "measured": Normalisation(None, None),
    "none": Normalisation((0.0,), (1.0,)),
    # Of torchvision's networks.
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def normalisation_of(text: str) -> Normalisation:
    """A name of NAMED, or MEAN/STD with commas between channels, such as "0.5/0.5" and "0.49,0.48,0.44/0.2,0.2,0.2".

    Raises SettingsError.
    """
    if text in NAMED:
        return NAMED[text]
    parts = text.split("/")
    try:
        mean, std = (tuple(float(number) for number in part.split(",")) for part in parts)
        if all(map(math.isfinite, mean + std)) and min(std) > 0:
            return Normalisation(mean, std)
    except ValueError:
        pass
    raise SettingsError(
        f"--normalise {text!r} is neither {', '.join(NAMED)} nor MEAN/STD.",
        hint="for example: --normalise 0.5/0.5, or --normalise 0.49,0.48,0.44/0.2,0.2,0.2; STD is above 0",
    )


def each_channel(values: Values, channels: int) -> Values:
    """A number for each channel; raises SettingsError for another number of them."""
    if len(values) not in (1, channels):
        raise SettingsError(
            f"--normalise is for {len(values)} channels, and the images have {channels}.",
            hint="give one number, which is for all channels, or choose --channels",
        )
    return values * (channels // len(values))
