"""Large images in bands of rows, so that a step over all pixels takes the memory of a few."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

PIXELS = 2**22  # of a band


def bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(first row, rows from there on) of an image from top to bottom; a small image is one band."""
    rows = max(1, PIXELS // max(1, image.width))
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))
