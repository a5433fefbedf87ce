"""A person's own images, prepared as those that a network learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tnas_cli.episodes.account import Said, unsaid
from tnas_cli.episodes.images import Squares, is_on_bright_ground, read_image
from tnas_cli.episodes.places import File

Invert = Literal["auto"] | bool

TURNED = "images with dark ink on a bright ground, turned bright; --invert no keeps them"
UNLIKE = "images with a bright ground, unlike those that were learned, or a dark one; adapt --invert yes turns them"
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class OwnImages:
    """How images of any size become what a network sees: `channels` x `size` x `size`, normalised by `mean` and `std`.

    They become squares with their aspect kept, padded with the median colour of their border; gray or colour becomes
    what the network takes. `invert` turns dark ink on a bright ground into bright ink on dark, as in Omniglot: True and
    False mean every image and none; 'auto' looks at each image's border, and only where the network learned from ink
    (one channel, mean 0 and std 1). `bright_ground` is the share of the training images whose border is bright, where
    that is known.
    """

    size: int
    channels: int
    mean: Sequence[float]
    std: Sequence[float]
    invert: Invert = "auto"
    bright_ground: float | None = None

    @property
    def from_ink(self) -> bool:
        """Whether the network learned from bright ink on a dark ground."""
        drawn = self.channels == 1 and tuple(self.mean) == (0.0,) and tuple(self.std) == (1.0,)
        return drawn and (self.bright_ground is None or self.bright_ground < 0.5)

    def read(self, file: File, said: Said = unsaid) -> tuple[npt.NDArray[np.uint8], bool]:
        """The square [size, size, channels] of an image file, and whether it is the negative; raises DataError.

        `said` is told how the image had to be converted.
        """
        image = read_image(file.read(), file.label, self.size, said)
        square = Squares(self.size, self.channels).of(image, said)
        auto = self.invert == "auto" and self.from_ink
        negative = self.invert is True or (auto and is_on_bright_ground(square))
        if negative:
            said(TURNED if auto else "images inverted, as was asked")
        return (255 - square if negative else square), negative

    def unlike(self, bright: float) -> bool:
        """Whether images, of which the share `bright` stands on a bright ground, do so where nearly all that the
        network learned from stood on a dark one, or the other way round."""
        if self.bright_ground is None or self.invert is True:
            return False
        return min(self.bright_ground, 1 - bright) > NEARLY_ALL or min(1 - self.bright_ground, bright) > NEARLY_ALL

    def normalised(self, squares: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
        """Squares as float32 [n, channels, size, size]."""
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255  # [n, C, H, W]
        shape = (self.channels, 1, 1)
        return (pixels - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)  # [n, C, H, W]
