"""An image of any mode as gray or RGB with 8 bits; what is lost or changed on the way is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes.account import Said
from tnas_cli.episodes.bands import bands

#: A 16-bit image that stays below this was probably stored by a camera of 12 bits or less, and comes out dark.
TWELVE_BITS = 4096


def plain(image: Image.Image, said: Said) -> Image.Image:
    """An image in mode 'L' (gray) or 'RGB'; transparency is shown on white."""
    if image.mode.startswith("I"):
        return _scaled(image, _whole_numbers(_extrema(image), said))
    if image.mode == "F":
        return _scaled(image, _numbers(_extrema(image), said))
    if image.has_transparency_data:
        return _on_white(image, said)
    if image.mode == "1":
        said("images of 1 bit, as black and white")
        return image.convert("L")
    if image.mode == "P":
        said("images with a palette, as colours")
    elif image.mode not in ("L", "RGB", "RGBX"):
        said(f"{image.mode} images, as RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _on_white(image: Image.Image, said: Said) -> Image.Image:
    shown, opaque = Image.new("RGB", image.size), True
    for top, band in bands(image):
        above = band.convert("RGBA")
        opaque = opaque and above.getchannel("A").getextrema()[0] == 255
        shown.paste(Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB"), (0, top))
    if not opaque:
        said("images with transparency, laid on white")
    elif image.mode == "P":
        said("images with a palette, as colours")
    return shown


def _extrema(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest value; raises ValueError for values that are no numbers."""
    least, most = np.inf, -np.inf
    for _, band in bands(image):
        values = np.asarray(band)
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        least, most = min(least, float(values.min())), max(most, float(values.max()))
    return least, most


#: The value of a pixel as a number of 0 to 255.
Scale = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def _scaled(image: Image.Image, scale: Scale) -> Image.Image:
    shown = Image.new("L", image.size)
    for top, band in bands(image):
        shown.paste(Image.fromarray(_bytes(scale(np.asarray(band).astype(np.float64)))), (0, top))
    return shown


def _whole_numbers(extrema: tuple[float, float], said: Said) -> Scale:
    """Gray of 16 bits, 65535 being white; a file of 32 bits that reaches beyond is divided by its own maximum."""
    most = max(0, int(extrema[1]))
    if most > 65535:
        said("images with more than 16 bits, each scaled by its own brightest pixel")
        return lambda values: values * (255 / most)
    said("images with 16 bits, reduced to 8")
    if 0 < most < TWELVE_BITS:
        said("images with 16 bits that use 12 or fewer, and come out dark")
    return lambda values: values / 257


def _numbers(extrema: tuple[float, float], said: Said) -> Scale:
    """Gray of floating-point numbers: 0 to 1, or 0 to 255, or else from the least to the greatest of the image."""
    least, most = extrema[0], max(0.0, extrema[1])
    if least >= 0 and most <= 1:
        said("images of floating-point numbers from 0 to 1, times 255")
        return lambda values: values * 255
    if least >= 0 and most <= 255:
        said("images of floating-point numbers from 0 to 255, rounded")
        return lambda values: values
    said("images of floating-point numbers, each stretched from its darkest to its brightest pixel")
    return lambda values: (values - least) * (255 / max(most - least, 1e-300))


def _bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    found: npt.NDArray[np.uint8] = np.clip(values, 0, 255).round().astype(np.uint8)
    return found


def is_gray(image: Image.Image) -> bool:
    """Whether an image in mode 'L' or 'RGB' has no colour."""
    if image.mode == "L":
        return True
    for _, band in bands(image):
        pixels = np.asarray(band)
        if not ((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all()):
            return False
    return True
