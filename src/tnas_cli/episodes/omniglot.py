"""Omniglot (Lake et al., 2015): 1,623 characters of 50 alphabets, 20 drawings each; every rotation is a class."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from tnas_cli.episodes import download
from tnas_cli.episodes.account import Account, Said, unsaid
from tnas_cli.episodes.cache_writer import Attributes, ClassImages
from tnas_cli.episodes.dataset import Built, Request
from tnas_cli.episodes.images import Invert, is_on_bright_ground
from tnas_cli.episodes.omniglot_layouts import LAYOUTS, Drawings, drawings
from tnas_cli.episodes.omniglot_splits import CHARACTERS, Split, split_characters
from tnas_cli.episodes.places import open_place
from tnas_cli.runs.events import Listener, Note, Progress

ROTATIONS = (0, 90, 180, 270)
# Ink is stored bright on dark and needs no more than scaling to 0..1.
INK_MEAN, INK_STD = (0.0,), (1.0,)
KEPT = "drawings not inverted, as was asked"


def build(request: Request) -> Built:
    """Omniglot: downloaded, or from a source; classes divided by the request's protocol."""
    if request.source is None:
        place = download.download_omniglot(request.root / "downloads" / "omniglot", request.listener)
        origin = download.OMNIGLOT_URL
    else:
        place, origin = request.source, str(request.source.resolve())
    found = drawings(open_place(place, LAYOUTS, request.account))
    if len(found) != CHARACTERS:
        request.listener(Note(f"{place} holds {len(found):,} of Omniglot's {CHARACTERS:,} characters; using these"))
    split = split_characters(sorted(found), request.protocol, request.seed)
    attributes = Attributes(
        request.name,
        request.protocol,
        download.OMNIGLOT_LICENCE,
        origin,
        split.note,
        request.seed,
        INK_MEAN,
        INK_STD,
        invert=request.invert,
        account=request.account,
    )
    images = len(ROTATIONS) * sum(map(len, found.values()))
    return Built(
        read_classes(found, split, request.size, request.listener, request.account, request.invert),
        attributes,
        request.size,
        images * request.size**2,
    )


def ink(drawing: Image.Image, size: int, invert: Invert = "auto", said: Said = unsaid) -> npt.NDArray[np.uint8]:
    """One drawing, black on white and of any size, as ink bright on dark, uint8 [size, size, 1].

    One that is bright on dark already is kept, which `said` is told, unless all or none are to be inverted.

    The filter averages over the whole footprint of a pixel: thin strokes grow fainter, none vanishes.
    """
    small = np.asarray(drawing.convert("L").resize((size, size), Image.Resampling.LANCZOS))[:, :, None]
    if invert == "no" or (invert == "auto" and not is_on_bright_ground(small)):
        said("drawings that are bright on dark, not inverted; --invert yes inverts all" if invert == "auto" else KEPT)
        return small
    return 255 - small


def read_classes(
    found: Drawings, split: Split, size: int, listener: Listener, account: Account, invert: Invert = "auto"
) -> Iterator[ClassImages]:
    """All classes of a split, rotations of a character next to each other and in the character's split.

    Class names are '<Alphabet>/<character>/rot090'; the angle is anticlockwise, in degrees.
    """

    started, drawn = time.monotonic(), 0
    for done, (key, pictures) in enumerate(found.items(), start=1):
        drawn += len(pictures)
        account.used(len(pictures))
        images = np.stack([ink(p.decode(0), size, invert, partial(account.warn, name=p.label)) for p in pictures])
        name = key.split("/", 1)[1]
        for angle in ROTATIONS:
            rotated = np.rot90(images, k=angle // 90, axes=(1, 2))  # [n, H, W, 1]
            yield ClassImages(f"{name}/rot{angle:03d}", split.of[key], rotated)
        if done % 50 == 0 or done == len(found):
            rate = drawn / max(time.monotonic() - started, 1e-9)
            listener(Progress("prepare omniglot", done, len(found), "characters", {"images/s": rate}))
