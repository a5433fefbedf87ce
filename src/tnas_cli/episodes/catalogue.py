"""What a source holds: its classes, each with its split and its pictures, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes.account import Said
from tnas_cli.episodes.images import read_image
from tnas_cli.episodes.places import File

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """One image: its name in messages, and a function that decodes it for a use at about `size` pixels a side."""

    label: str
    decode: Callable[[int], Image.Image]
    file: File | None = None

    def read(self, size: int, said: Said) -> Image.Image:
        """The same; `said` is told how the image in a file had to be converted."""
        return self.decode(size) if self.file is None else read_image(self.file.read(), self.label, size, said)


@dataclass(frozen=True)
class ClassPictures:
    """One class: its name, its split ('train', 'val' or 'test') and its pictures."""

    name: str
    split: str
    pictures: Sequence[Picture]


def from_file(file: File) -> Picture:
    """The picture in an image file."""
    return Picture(file.label, lambda size: read_image(file.read(), file.label, size), file)


class Rows(Protocol):
    """A table of images, of which one row at a time is read."""

    def __getitem__(self, row: int, /) -> Pixels: ...


def from_rows(label: str, rows: Rows, row: int, arranged: Callable[[Pixels], Pixels] = np.ascontiguousarray) -> Picture:
    """The picture in a row of a table of images, which `arranged` brings into the form [H, W, 3] or [H, W]."""
    return Picture(label, lambda size: Image.fromarray(np.ascontiguousarray(arranged(rows[row]))))
