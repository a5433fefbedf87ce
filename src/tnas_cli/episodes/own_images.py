"""A person's own images, prepared as those that a network learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tnas_cli.episodes.images import border_colour, read_image, to_square
from tnas_cli.episodes.places import File

Invert = Literal["auto"] | bool


@dataclass(frozen=True)
class OwnImages:
    """How images of any size become what a network sees: `channels` x `size` x `size`, normalised by `mean` and `std`.

    They become squares with their aspect kept, padded with the median colour of their border; gray or colour becomes
    what the network takes. `invert` turns dark ink on a bright ground into bright ink on dark, as in Omniglot: True and
    False mean every image and none; 'auto' looks at each image's border, and only where the network learned from ink
    (one channel, mean 0 and std 1).
    """

    size: int
    channels: int
    mean: Sequence[float]
    std: Sequence[float]
    invert: Invert = "auto"

    def read(self, file: File) -> tuple[npt.NDArray[np.uint8], bool]:
        """The square [size, size, channels] of an image file, and whether it is the negative; raises DataError."""
        square = to_square(read_image(file.read(), file.label, self.size), self.size, self.channels)
        learned_from_ink = self.channels == 1 and tuple(self.mean) == (0.0,) and tuple(self.std) == (1.0,)
        auto = self.invert == "auto" and learned_from_ink
        negative = self.invert is True or (auto and _is_dark_on_bright(square))
        return (255 - square if negative else square), negative

    def normalised(self, squares: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
        """Squares as float32 [n, channels, size, size]."""
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255  # [n, C, H, W]
        shape = (self.channels, 1, 1)
        return (pixels - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)  # [n, C, H, W]


def _is_dark_on_bright(square: npt.NDArray[np.uint8]) -> bool:
    """Whether the border of `square` [H, W, C] is bright."""
    return bool((border_colour(square) > 127).all())
