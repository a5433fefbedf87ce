"""Images that are made to take for ever: they are refused by what their bytes say, before a decoder meets them."""

from __future__ import annotations

import struct

from PIL import Image

MOST_CHUNKS = 50_000  # of a PNG; the usual programs write one for 8 KiB or more
MOST_MARKERS = 5_000  # of a JPEG, before its picture
MOST_SCANS = 20  # over the whole of the largest JPEG; a progressive one has about 10
LARGEST_IN_PYTHON = 2_000_000  # pixels of a format that Pillow decodes in Python, a microsecond or two for each


def refuse_endless_headers(data: bytes) -> None:
    """Raise ValueError for a PNG or a JPEG in more pieces than any picture needs: Pillow walks over them one by one."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        at = 8
        for _ in range(MOST_CHUNKS):
            if at + 8 > len(data):
                return
            at += 12 + struct.unpack_from(">L", data, at)[0]
        raise ValueError(f"it has more than {MOST_CHUNKS:,} chunks")
    if data.startswith(b"\xff\xd8"):
        at = 2
        for _ in range(MOST_MARKERS):
            if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] == 0xDA:
                return
            # A byte may be filled up by 0xFF.
            at += 1 if data[at + 1] == 0xFF else 2 + struct.unpack_from(">H", data, at + 2)[0]
        raise ValueError(f"it has more than {MOST_MARKERS:,} markers")


def refuse_slow(image: Image.Image, data: bytes, largest: int) -> None:
    """Raise DecompressionBombError for an opened image that takes minutes: a JPEG that draws a large picture again and
    again, or a large picture of a format that is decoded in Python.
    """
    pixels = image.width * image.height
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") * pixels > MOST_SCANS * largest:
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels, drawn again and again")
    in_python = any(str(tile[0]) in Image.DECODERS for tile in getattr(image, "tile", ()))
    if in_python and max(pixels, len(data) // 8) > LARGEST_IN_PYTHON:
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels in the slow format {image.format}")
