"""What a source holds: its classes, each with its split and its pictures, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes.account import Said
from tnas_cli.episodes.images import read_image
from tnas_cli.episodes.places import File, Shared
from tnas_cli.runs.files import temporary_file, temporary_folder, writing


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


def from_array(label: str, pixels: npt.NDArray[np.uint8]) -> Picture:
    """The picture that an array uint8 [H, W, 3] holds."""
    return Picture(label, lambda size: Image.fromarray(np.ascontiguousarray(pixels)))


def spooled(images: npt.NDArray[np.uint8]) -> Callable[[int], Image.Image]:
    """Move images uint8 [n, H, W, C] to an unnamed temporary file; returns a function that reads the n-th one.

    Reading by position lets threads share the file.
    """
    with temporary_file() as file:
        with writing(temporary_folder()):
            file.write(np.ascontiguousarray(images).data)
            file.flush()
        shared = Shared(file)
    shape = images.shape[1:]
    size = int(np.prod(shape))

    def image(row: int) -> Image.Image:
        pixels = shared.read(size, row * size)
        return Image.fromarray(np.frombuffer(pixels, dtype=np.uint8).reshape(shape))

    return image
