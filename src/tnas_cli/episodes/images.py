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

from tnas_cli.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = ("PNG", "JPEG", "WEBP")
LARGEST = 64_000_000  # pixels; a small file can unfold to gigabytes


def is_image_name(name: str) -> bool:
    """Whether a file's name is that of an image that tnas reads; hidden files are not."""
    return not name.startswith(".") and name.lower().endswith(EXTENSIONS)


def read_image(source: Path | bytes, name: str | None = None, needed: int = 0) -> Image.Image:
    """Decode one image to mode 'L' (gray) or 'RGB', upright by its EXIF orientation, transparency shown on white.

    `source` is a path, or the bytes of a file called `name`. A JPEG that is much larger than `needed` pixels a side (0:
    all are needed) is decoded at a half, a quarter or an eighth of its size, never below twice `needed`. Raises
    DataError, naming the file, when it is not an image, truncated, or larger than 64 megapixels.
    """
    label = name or str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
                if image.width * image.height > LARGEST:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                if needed:
                    image.draft(None, (2 * needed, 2 * needed))
                image.load()
                return _plain(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise DataError(
            f"{label} is not an image, whatever its name says.", hint="move it away, or save it as PNG, JPEG or WebP"
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{label} is too large an image: {error}.", hint=f"scale it below {LARGEST // 10**6} megapixels"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{label} cannot be read as an image: {error}.", hint="replace it, or move it away") from error


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16-bit gray; convert("L") would clip everything above 255.
        values = np.asarray(image, dtype=np.float64)
        return Image.fromarray((np.clip(values, 0, 65535) / 257).round().astype(np.uint8))
    if image.mode == "F":
        return image.convert("L")
    if image.has_transparency_data:
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
        return image.convert("RGB")
    mode = "L" if image.mode in ("1", "L") else "RGB"
    return image if image.mode == mode else image.convert(mode)


def is_gray(image: Image.Image) -> bool:
    """Whether an image has no colour, in whatever mode it is stored."""
    if image.mode == "L":
        return True
    pixels = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())


Resize = Literal["fit", "crop", "stretch"]
RESIZES: tuple[Resize, ...] = get_args(Resize)


@dataclass(frozen=True)
class Squares:
    """How images become squares of `size` pixels with `channels` (1 or 3).

    'fit' keeps the aspect and pads with the median colour of the border, so that nothing is lost; 'crop' keeps the
    aspect and cuts off the ends of the longer side; 'stretch' fills the square, whatever the aspect.
    """

    size: int
    channels: int
    resize: Resize = "fit"

    def of(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """The image as uint8 [size, size, channels]."""
        mode = "L" if self.channels == 1 else "RGB"
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
    square[:] = border_colour(np.asarray(image).reshape(image.height, image.width, channels))
    top, left = (size - fitted[1]) // 2, (size - fitted[0]) // 2
    square[top : top + fitted[1], left : left + fitted[0]] = small
    return square


def border_colour(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Median colour of the outermost pixels of an image [H, W, C]: [C]."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])  # [2 * (H + W), C]
    median: npt.NDArray[np.float64] = np.median(border, axis=0)
    return median.astype(np.uint8)
