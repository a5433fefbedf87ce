"""Which files are images: every format that the installed Pillow decodes, by name or, failing that, by content."""

from __future__ import annotations

import functools
import io
import struct
import warnings
import zlib

from PIL import Image, ImageFile

from tnas_cli.episodes.places import File
from tnas_cli.errors import DataError

#: Not decoded: EPS would run Ghostscript on the user's file, and MPEG is recognised but cannot be read.
NEVER = frozenset({"EPS", "MPEG"})
#: Formats of images that no plug-in of Pillow reads; they are named as what they are.
UNREAD = (".heic", ".heif", ".jxl", ".svg", ".svgz", ".pdf", ".eps", ".ps", ".ai", ".wmf", ".emf", ".exr", ".hdr")
#: What decoders raise for damaged files. Pillow documents OSError; the plug-ins of rarer formats raise the others.
DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(RuntimeError, MemoryError, AssertionError, struct.error, zlib.error),
)
HEAD = 32  # bytes in which every format that has a mark shows it


@functools.cache
def readable() -> frozenset[str]:
    """The formats that are decoded here. Pillow's stubs know a format, but not how to decode it."""
    Image.init()
    stubs = {
        name
        for name, (factory, _) in Image.OPEN.items()
        if isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile)
    }
    return frozenset(Image.OPEN) - stubs - NEVER


@functools.cache
def _extensions() -> dict[str, str]:
    """File endings of the readable formats. A multi-picture JPEG (MPO) is opened as a JPEG."""
    return {
        ending: name for ending, name in Image.registered_extensions().items() if name in readable() or name == "MPO"
    }


def is_image_name(name: str) -> bool:
    """Whether a file's name is that of an image that tnas reads; hidden files are not."""
    return not name.startswith(".") and _ending(name) in _extensions()


def is_unread_image_name(name: str) -> bool:
    """Whether a file is an image of a format that is not read."""
    return _ending(name) in UNREAD


def formats_for(name: str) -> tuple[str, ...]:
    """The formats to try for a file: those that their first bytes show, and that of its name.

    Formats without a mark would take any bytes for an image.
    """
    own = _extensions().get(_ending(name))
    return tuple(sorted(one for one in readable() if Image.OPEN[one][1] is not None or one == own))


def is_image_by_content(file: File) -> bool:
    """Whether a file that has no image's name is an image nevertheless; only its first bytes are read unless it is."""
    try:
        head = file.head(HEAD)
        if not any(_accepts(name, head) for name in formats_for("")):
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.open(io.BytesIO(file.read()), formats=formats_for("")).close()
    except (*DAMAGED, DataError, Image.DecompressionBombError):
        return False
    return True


def _accepts(name: str, head: bytes) -> bool:
    accept = Image.OPEN[name][1]
    return accept is not None and accept(head) is True


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2].lower() if "." in name else ""
