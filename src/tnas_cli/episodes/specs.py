"""The data sets by name: what each is, and how its classes and its attributes come about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes import download, folder, glyphs, omniglot
from tnas_cli.episodes.cache_writer import Attributes, ClassImages
from tnas_cli.episodes.omniglot_splits import CHARACTERS, split_characters
from tnas_cli.runs.events import Listener, Note

# Ink is stored bright on dark and needs no more than scaling to 0..1.
INK_MEAN, INK_STD = (0.0,), (1.0,)

Built = tuple[Iterable[ClassImages], Attributes]


@dataclass(frozen=True)
class Request:
    """What is to be prepared; every choice is made. `channels` is 0 where the data set decides."""

    name: str
    protocol: str
    source: Path | None
    size: int
    channels: int
    seed: int
    root: Path
    listener: Listener


@dataclass(frozen=True)
class DatasetSpec:
    """One way to come by a data set. `bytes` is the download's size; `size` and `channels` are 0 where the images that
    are found decide.
    """

    name: str
    protocols: tuple[str, ...]
    protocol: str
    size: int
    channels: int
    licence: str
    build: Callable[[Request], Built]
    embedded: bool = False
    url: str | None = None
    bytes: int = 0

    @property
    def downloadable(self) -> bool:
        return self.url is not None

    @property
    def needs_source(self) -> bool:
        return not self.embedded and not self.downloadable


def _omniglot(request: Request) -> Built:
    if request.source is None:
        place = download.download_omniglot(request.root / "downloads" / "omniglot", request.listener)
        origin = download.OMNIGLOT_URL
    else:
        place, origin = request.source, str(request.source.resolve())
    source = omniglot.open_source(place)
    found = source.characters()
    if len(found) != CHARACTERS:
        request.listener(Note(f"{place} holds {len(found):,} of Omniglot's {CHARACTERS:,} characters; using these"))
    split = split_characters(found, request.protocol, request.seed)
    attributes = Attributes(
        request.name,
        request.protocol,
        download.OMNIGLOT_LICENCE,
        origin,
        split.note,
        request.seed,
        INK_MEAN,
        INK_STD,
    )
    return omniglot.read_classes(source, split, request.size, request.listener), attributes


def _glyphs(request: Request) -> Built:
    attributes = Attributes(
        request.name, request.protocol, "MIT", "drawn by tnas", glyphs.SPLIT_NOTE, request.seed, INK_MEAN, INK_STD
    )
    return glyphs.draw_classes(request.seed, request.size, request.listener), attributes


def _folder(request: Request) -> Built:
    source = (request.source or Path()).resolve()
    tree = folder.open_tree(source, request.seed)
    attributes = Attributes(request.name, request.protocol, "as its owner says", str(source), tree.note, request.seed)
    return folder.read_classes(tree, request.size, request.channels, request.listener), attributes


_ALL = (
    DatasetSpec("glyphs", ("drawn",), "drawn", 28, 1, "MIT", _glyphs, embedded=True),
    DatasetSpec(
        "omniglot",
        ("random", "vinyals"),
        "random",
        28,
        1,
        download.OMNIGLOT_LICENCE,
        _omniglot,
        url=download.OMNIGLOT_URL,
        bytes=download.OMNIGLOT_BYTES,
    ),
    DatasetSpec("folder", ("classes",), "classes", 0, 0, "as its owner says", _folder),
)
DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _ALL}
