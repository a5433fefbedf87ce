"""The data sets by name: what each is, how it is prepared, and how a command gets the one it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes import download, folder, glyphs, omniglot
from tnas_cli.episodes.cache import ImageCache, cache_path, cache_root, open_cache
from tnas_cli.episodes.cache_writer import Attributes, ClassImages, write_cache
from tnas_cli.episodes.omniglot_splits import split_characters
from tnas_cli.errors import DataError, SettingsError, did_you_mean
from tnas_cli.runs.events import Listener, Note, ignore

SMALLEST, LARGEST = 20, 224
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Request:
    """What is to be prepared; every choice is made."""

    name: str
    protocol: str
    source: Path | None
    size: int
    seed: int
    root: Path
    listener: Listener


@dataclass(frozen=True)
class DatasetSpec:
    """One way to come by a data set. `bytes` is the download's size; `size` None means: by the images found."""

    name: str
    protocols: tuple[str, ...]
    protocol: str
    size: int | None
    channels: int | None
    embedded: bool
    downloadable: bool
    licence: str
    url: str | None
    bytes: int
    build: Callable[[Request], tuple[Iterable[ClassImages], Attributes]]


def _omniglot(request: Request) -> tuple[Iterable[ClassImages], Attributes]:
    if request.source is None:
        place = download.download_omniglot(request.root / "downloads" / "omniglot", request.listener)
        origin = download.OMNIGLOT_URL
    else:
        place, origin = request.source, str(request.source.absolute())
    source = omniglot.open_source(place)
    split = split_characters(source.characters(), request.protocol, request.seed)
    attributes = Attributes(
        "omniglot", request.protocol, download.OMNIGLOT_LICENCE, origin, split.note, request.seed, (0.0,), (1.0,)
    )
    return omniglot.read_classes(source, split, request.size, request.listener), attributes


def _glyphs(request: Request) -> tuple[Iterable[ClassImages], Attributes]:
    attributes = Attributes(
        "glyphs", request.protocol, "MIT", "drawn by tnas", glyphs.SPLIT_NOTE, request.seed, (0.0,), (1.0,)
    )
    return glyphs.draw_classes(request.seed, request.size, request.listener), attributes


def _folder(request: Request) -> tuple[Iterable[ClassImages], Attributes]:
    assert request.source is not None
    tree = folder.open_tree(request.source, request.seed)
    attributes = Attributes(
        request.name, request.protocol, "the owner's", str(request.source.resolve()), tree.note, request.seed
    )
    return folder.read_classes(tree, request.size, request.listener), attributes


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec("glyphs", ("drawn",), "drawn", 28, 1, True, False, "MIT", None, 0, _glyphs),
        DatasetSpec(
            "omniglot",
            ("random", "vinyals"),
            "random",
            28,
            1,
            False,
            True,
            download.OMNIGLOT_LICENCE,
            download.OMNIGLOT_URL,
            download.OMNIGLOT_BYTES,
            _omniglot,
        ),
        DatasetSpec("folder", ("classes",), "classes", None, None, False, False, "the owner's", None, 0, _folder),
    )
}


def prepare(
    name: str,
    *,
    protocol: str | None = None,
    source: Path | None = None,
    size: int | None = None,
    seed: int = 0,
    root: Path | None = None,
    force: bool = False,
    listener: Listener = ignore,
    own_name: str | None = None,
) -> ImageCache:
    """Prepare a data set, or open the cache where it is prepared already (`force` prepares it anew).

    `own_name` names the data set that `folder` makes (default: the source folder's name). Raises SettingsError for
    choices that cannot work, DataError for a source that cannot be read, TnasError for a cache that cannot be written.
    """
    spec = DATASETS.get(name)
    if spec is None:
        raise SettingsError(f"unknown data set {name!r}.", hint=did_you_mean(name, DATASETS))
    request = _request(spec, protocol, source, size, seed, root or cache_root(), listener, own_name)
    path = cache_path(request.name, request.protocol, request.size, request.root)
    if path.is_file() and not force:
        cache = _same(open_cache(path), request, name)
        listener(Note(f"{request.name} is already prepared: {path}"))
        return cache
    classes, attributes = spec.build(request)
    write_cache(path, classes, attributes, replace=force, listener=listener)
    return open_cache(path)


def _request(
    spec: DatasetSpec,
    protocol: str | None,
    source: Path | None,
    size: int | None,
    seed: int,
    root: Path,
    listener: Listener,
    own_name: str | None,
) -> Request:
    protocol = protocol or spec.protocol
    if protocol not in spec.protocols:
        raise SettingsError(
            f"{spec.name} has no split protocol {protocol!r}.", hint=did_you_mean(protocol, spec.protocols)
        )
    if spec.embedded and source is not None:
        raise SettingsError(f"{spec.name} is drawn by tnas and takes no --source.", hint="leave --source out")
    name = spec.name
    if not spec.embedded and not spec.downloadable:
        if source is None:
            raise SettingsError(
                f"{spec.name} needs --source.", hint=f"run: tnas prepare-data {spec.name} --source DIR"
            )
        name = own_name or source.resolve().name
        if not NAME.fullmatch(name) or name in DATASETS:
            raise SettingsError(
                f"{name!r} cannot name a data set of your own.",
                hint="give --name: letters, digits, '.', '_' and '-', and none of " + ", ".join(sorted(DATASETS)),
            )
        size = size or folder.natural_size(source)
    elif own_name is not None:
        raise SettingsError(f"--name {own_name} goes with folder, not with {spec.name}.", hint="leave --name out")
    size = size or spec.size or SMALLEST
    if not SMALLEST <= size <= LARGEST:
        raise SettingsError(
            f"--size {size} is outside {SMALLEST} to {LARGEST} pixels.", hint="choose a size in that range"
        )
    return Request(name, protocol, source, size, seed, root, listener)


def _same(cache: ImageCache, request: Request, command: str) -> ImageCache:
    """The cache, if it is what the request would make."""
    if cache.seed != request.seed:
        raise SettingsError(
            f"{cache.path} was prepared with --seed {cache.seed}, not {request.seed}.",
            hint="add --force to replace it, or keep both with another --cache-dir",
        )
    if command == "folder" and request.source is not None and cache.source != str(request.source.resolve()):
        raise SettingsError(
            f"data set {request.name!r} was prepared from {cache.source}, not from {request.source}.",
            hint="choose another --name, or add --force to replace it",
        )
    return cache


def ensure(
    name: str,
    *,
    protocol: str | None = None,
    size: int | None = None,
    root: Path | None = None,
    offline: bool = False,
    listener: Listener = ignore,
) -> ImageCache:
    """The cache that a command needs, by a data set's name or by the path of an .h5 file.

    An embedded data set is prepared when it is missing, a downloadable one too unless `offline`. Raises SettingsError
    for an unknown name, DataError with the command to run where it cannot be prepared here.
    """
    if name.endswith((".h5", ".hdf5")):
        return open_cache(Path(name))
    root = root or cache_root()
    spec = DATASETS.get(name)
    if spec is None or spec.build is _folder:
        return _own(name, protocol, size, root)
    path = cache_path(name, protocol or spec.protocol, size or spec.size or SMALLEST, root)
    if path.is_file():
        return open_cache(path)
    if spec.embedded or (spec.downloadable and not offline):
        listener(Note(f"{name} is not prepared yet; preparing it"))
        return prepare(name, protocol=protocol, size=size, root=root, listener=listener)
    command = f"tnas prepare-data {name}" + (f" --protocol {protocol}" if protocol else "")
    raise DataError(
        f"{name} is not prepared ({path} is missing), and --offline forbids downloading it.",
        hint=f"run: {command}{f' --size {size}' if size else ''} --source DIR (or without --offline)",
    )


def _own(name: str, protocol: str | None, size: int | None, root: Path) -> ImageCache:
    """A data set that the user prepared from a folder."""
    caches = [open_cache(path) for path in sorted(root.glob("*.h5")) if _dataset_of(path) == name]
    fitting = [c for c in caches if size in (None, c.size) and protocol in (None, c.protocol)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        sizes = ", ".join(str(cache.size) for cache in fitting)
        raise SettingsError(f"{name!r} is prepared in several sizes: {sizes}.", hint="choose one with --size")
    if caches:
        raise DataError(
            f"{name!r} is prepared, but not with this size or protocol.",
            hint=f"run: tnas prepare-data folder --source {caches[0].source} --name {name}"
            + (f" --size {size}" if size else ""),
        )
    known = {_dataset_of(path) for path in root.glob("*.h5")} | set(DATASETS) - {"folder"}
    hint = "run: tnas prepare-data folder --source DIR --name NAME" if name == "folder" else did_you_mean(name, known)
    raise SettingsError(f"unknown data set {name!r}.", hint=hint)


def _dataset_of(path: Path) -> str:
    """The data set's name in a cache's file name, `<dataset>-<protocol>-<size>.h5`."""
    return path.stem.rsplit("-", 2)[0]
