"""An image of any mode as gray or RGB with 8 bits; what is lost or changed on the way is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes.account import Said

#: A 16-bit image that stays below this was probably stored by a camera of 12 bits or less, and comes out dark.
TWELVE_BITS = 4096


def plain(image: Image.Image, said: Said) -> Image.Image:
    """An image in mode 'L' (gray) or 'RGB'; transparency is shown on white."""
    if image.mode.startswith("I"):
        return Image.fromarray(_whole_numbers(np.asarray(image).astype(np.int64), said))
    if image.mode == "F":
        return Image.fromarray(_numbers(np.asarray(image, dtype=np.float64), said))
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
    above = image.convert("RGBA")
    if above.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
        said("images with transparency, laid on white")
    elif image.mode == "P":
        said("images with a palette, as colours")
    return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")


def _whole_numbers(values: npt.NDArray[np.int64], said: Said) -> npt.NDArray[np.uint8]:
    """Gray of 16 bits, 65535 being white; a file of 32 bits that reaches beyond is divided by its own maximum."""
    most = int(values.max(initial=0))
    if most > 65535:
        said("images with more than 16 bits, each scaled by its own brightest pixel")
        return _bytes(values * (255 / most))
    said("images with 16 bits, reduced to 8")
    if 0 < most < TWELVE_BITS:
        said("images with 16 bits that use 12 or fewer, and come out dark")
    return _bytes(values / 257)


def _numbers(values: npt.NDArray[np.float64], said: Said) -> npt.NDArray[np.uint8]:
    """Gray of floating-point numbers: 0 to 1, or 0 to 255, or else from the least to the greatest of the image."""
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    least, most = float(values.min(initial=0)), float(values.max(initial=0))
    if least >= 0 and most <= 1:
        said("images of floating-point numbers from 0 to 1, times 255")
        return _bytes(values * 255)
    if least >= 0 and most <= 255:
        said("images of floating-point numbers from 0 to 255, rounded")
        return _bytes(values)
    least = float(values.min())
    said("images of floating-point numbers, each stretched from its darkest to its brightest pixel")
    return _bytes((values - least) * (255 / max(most - least, 1e-300)))


def _bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    found: npt.NDArray[np.uint8] = np.clip(values, 0, 255).round().astype(np.uint8)
    return found


def is_gray(image: Image.Image) -> bool:
    """Whether an image in mode 'L' or 'RGB' has no colour."""
    if image.mode == "L":
        return True
    pixels = np.asarray(image)
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
