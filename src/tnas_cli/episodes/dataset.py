"""What a data set's reader takes and returns: a request with every choice made, and classes with their attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.cache_writer import Attributes, ClassImages
from tnas_cli.episodes.catalogue import ClassPictures
from tnas_cli.episodes.decoding import Keep, decode
from tnas_cli.episodes.images import Invert, Resize, Squares
from tnas_cli.runs.events import Listener

#: Mean and standard deviation of ImageNet's training images per channel, as torchvision's models use them.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Request:
    """What to prepare. `size` and `channels` are 0 where the images themselves decide; `shares` are the shares of
    classes for train, val and test in per cent, where they are divided at random. `account` is told what becomes of
    the files.
    """

    name: str
    protocol: str
    source: Path | None
    size: int
    channels: int
    resize: Resize
    shares: tuple[int, int, int]
    skip_bad: bool
    seed: int
    root: Path
    listener: Listener
    keep_duplicates: bool = True
    invert: Invert = "no"
    account: Account = field(default_factory=Account)


@dataclass(frozen=True)
class Built:
    """What a reader returns: classes whose images are decoded as they are read, at `size` pixels a side, and roughly
    how many bytes they will take.
    """

    classes: Iterable[ClassImages]
    attributes: Attributes
    size: int
    bytes: int


@dataclass(frozen=True)
class DatasetSpec:
    """A data set, and how to get it. `bytes` is the download's size; `size` and `channels` are 0 where the images
    themselves decide; `layouts` says what --source may be. `citation`: keys of `tnas cite`, or BibTeX entries, where
    another package declares it. `invert`: whether images are inverted by default; None where that is no choice. A data
    set is embedded, downloadable, or needs a source.
    """

    name: str
    about: str
    protocols: tuple[str, ...]
    size: int
    channels: int
    licence: str
    build: Callable[[Request], Built]
    layouts: str = ""
    resize: Resize = "fit"
    resizable: bool = False
    invert: Invert | None = None
    embedded: bool = False
    url: str | None = None
    bytes: int = 0
    citation: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """The default protocol."""
        return self.protocols[0]

    @property
    def downloadable(self) -> bool:
        return self.url is not None

    @property
    def needs_source(self) -> bool:
        return not self.embedded and not self.downloadable


def built(
    request: Request,
    classes: list[ClassPictures],
    note: str,
    licence: str,
    origin: str,
    normalisation: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> Built:
    """What a reader returns for classes of pictures, which are decoded as they are read.

    Without `normalisation`, mean and standard deviation are measured on the training classes.
    """
    squares = Squares(request.size, request.channels, request.resize, request.invert)
    mean, std = normalisation or (None, None)
    attributes = Attributes(
        request.name,
        request.protocol,
        licence,
        origin,
        note,
        request.seed,
        mean,
        std,
        request.resize,
        invert=request.invert,
        account=request.account,
    )
    stage = f"prepare {request.name}"
    keep = Keep(bad_out=request.skip_bad, duplicates=request.keep_duplicates)
    images = decode(classes, squares, stage, request.listener, request.account, keep)
    count = sum(len(item.pictures) for item in classes)
    return Built(images, attributes, request.size, count * request.size**2 * request.channels)
