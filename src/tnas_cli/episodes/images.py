"""One image file, read safely and brought to the size a network takes."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from tnas_cli.episodes.account import Said, unsaid
from tnas_cli.episodes.formats import DAMAGED, formats_for
from tnas_cli.episodes.modes import is_gray, plain
from tnas_cli.episodes.slow_images import refuse_endless_headers, refuse_slow
from tnas_cli.episodes.turns import wait_if_large
from tnas_cli.errors import DataError
from tnas_cli.runs.files import read_bytes

LARGEST = 64_000_000  # pixels; a small file can unfold to gigabytes
LONGEST_SIDE = 65_535  # pixels, as for a JPEG; scaling a strip of millions of rows takes seconds
ORIENTATION = 0x0112  # EXIF's tag; 1 is upright
#: Formats whose further frames are no pictures of their own: the layers of a drawing, the sizes of an icon.
ONE_PICTURE = ("PSD", "ICO", "ICNS", "CUR")


def read_image(source: Path | bytes, name: str | None = None, needed: int = 0, said: Said = unsaid) -> Image.Image:
    """Decode one image to mode 'L' (gray) or 'RGB', upright by its EXIF orientation, transparency shown on white.

    `source` is a path, or the bytes of a file called `name`. A JPEG that is much larger than `needed` pixels a side (0:
    all are needed) is decoded at a half, a quarter or an eighth of its size, never below twice `needed`. `said` is told
    what of the image is changed or lost. Raises DataError, naming the file, when it cannot be read, is not an image,
    truncated, or larger than 64 megapixels or 65,535 pixels a side.
    """
    label = name or str(source)
    data = source if isinstance(source, bytes) else read_bytes(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            refuse_endless_headers(data)
            with Image.open(io.BytesIO(data), formats=formats_for(label)) as image:
                _refuse_large(image)
                refuse_slow(image, data, LARGEST)
                _tell(image, needed, said)
                if needed:
                    image.draft(None, (2 * needed, 2 * needed))
                wait_if_large(image.width * image.height)
                image.load()
                _refuse_large(image)  # an icon may hold a larger picture than it states
                ImageOps.exif_transpose(image, in_place=True)
                return plain(image, said)
    except UnidentifiedImageError as error:
        raise DataError(
            f"{label} is not an image, whatever its name says.", hint="move it away, or save it as PNG, JPEG or WebP"
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{label} is too large an image: {error}.",
            hint=f"scale it below {LARGEST // 10**6} megapixels, and {LONGEST_SIDE:,} pixels a side",
        ) from error
    except DAMAGED as error:
        raise DataError(f"{label} cannot be read as an image: {error}.", hint="replace it, or move it away") from error


def _refuse_large(image: Image.Image) -> None:
    if image.width * image.height > LARGEST or max(image.size) > LONGEST_SIDE:
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")


def _tell(image: Image.Image, needed: int, said: Said) -> None:
    """What is known of an image before it is decoded."""
    if image.format not in ONE_PICTURE and getattr(image, "is_animated", False):
        said("images with several frames or pages, of which the first is used")
    # Pillow drops the low bits of such colours itself; the name of its decoder's mode tells.
    if any(";16" in str(tile) for tile in getattr(image, "tile", ())) and not image.mode.startswith("I"):
        said("images with 16 bits, reduced to 8")
    if image.getexif().get(ORIENTATION, 1) != 1:
        said("images turned upright, as their EXIF orientation says")
    longest = max(image.size)
    if needed > 2 * longest:
        said(f"images scaled up more than twice, to {needed} pixels")
    elif needed and longest > 2 * needed:
        said(f"images scaled down to less than half, to {needed} pixels")


Resize = Literal["fit", "crop", "stretch"]
RESIZES: tuple[Resize, ...] = get_args(Resize)
#: Whether images are inverted: none, all, or ('auto') those that stand on a bright ground.
Invert = Literal["no", "yes", "auto"]
INVERTS: tuple[Invert, ...] = get_args(Invert)


@dataclass(frozen=True)
class Squares:
    """How images become squares of `size` pixels with `channels` (1 or 3).

    'fit' keeps the aspect and pads with the median colour of the border, so that nothing is lost; 'crop' keeps the
    aspect and cuts off the ends of the longer side; 'stretch' fills the square, whatever the aspect. `invert` turns
    black into white: in all of them, or in those that stand on a bright ground.
    """

    size: int
    channels: int
    resize: Resize = "fit"
    invert: Invert = "no"

    def of(self, image: Image.Image, said: Said = unsaid) -> npt.NDArray[np.uint8]:
        """The image as uint8 [size, size, channels]; `said` is told if it loses its colours or is inverted."""
        square = self._square(image, said)
        if self.invert == "yes" or (self.invert == "auto" and is_on_bright_ground(square)):
            said("images inverted, as was asked" if self.invert == "yes" else "images on a bright ground, inverted")
            return 255 - square
        return square

    def _square(self, image: Image.Image, said: Said) -> npt.NDArray[np.uint8]:
        mode = "L" if self.channels == 1 else "RGB"
        if mode == "L" and not is_gray(image):
            said("images in colour, made gray")
        elif mode == "RGB" and image.mode == "L":
            said("gray images, repeated in three channels")
        image = image if image.mode == mode else image.convert(mode)
        if image.size == (self.size, self.size):
            return np.asarray(image).reshape(self.size, self.size, self.channels)
        if self.resize == "fit":
            return to_square(image, self.size, self.channels)
        box = None
        if self.resize == "crop":
            side = min(image.size)
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
        square = image.resize((self.size, self.size), Image.Resampling.LANCZOS, box=box)
        return np.asarray(square).reshape(self.size, self.size, self.channels)


def to_square(image: Image.Image, size: int, channels: int) -> npt.NDArray[np.uint8]:
    """The image as uint8 [size, size, channels]: scaled with its aspect kept, centred, padded with the median colour of
    its border. Nothing is cropped: the edge may matter.
    """
    image = image.convert("L" if channels == 1 else "RGB")
    scale = size / max(image.size)
    fitted = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = np.asarray(image.resize(fitted, Image.Resampling.LANCZOS)).reshape(fitted[1], fitted[0], channels)
    square = np.empty((size, size, channels), dtype=np.uint8)
    square[:] = border_of(image)
    top, left = (size - fitted[1]) // 2, (size - fitted[0]) // 2
    square[top : top + fitted[1], left : left + fitted[0]] = small
    return square


def border_of(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Median colour of the outermost pixels of an image, without the pixels inside: [C]."""
    width, height = image.size
    sides = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    pixels = [np.asarray(image.crop(side)).reshape(-1, len(image.getbands())) for side in sides]
    median: npt.NDArray[np.float64] = np.median(np.concatenate(pixels), axis=0)  # [2 * (H + W), C]
    return median.astype(np.uint8)


def border_colour(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Median colour of the outermost pixels of an image [H, W, C]: [C]."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])  # [2 * (H + W), C]
    median: npt.NDArray[np.float64] = np.median(border, axis=0)
    return median.astype(np.uint8)


def is_on_bright_ground(square: npt.NDArray[np.uint8]) -> bool:
    """Whether the border of `square` [H, W, C] is bright."""
    return bool((border_colour(square) > 127).all())
