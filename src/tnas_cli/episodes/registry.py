"""How a command gets the data set it needs: it opens it, prepares it, or names the command that prepares it.

Data sets are tnas's own (`specs`), and those that other packages declare as entry points of the group `tnas.datasets`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tnas_cli.episodes.archives import archive_stem
from tnas_cli.episodes.cache import ImageCache, cache_path, cache_root, open_cache
from tnas_cli.episodes.cache_writer import tidy, write_cache
from tnas_cli.episodes.class_split import SHARES
from tnas_cli.episodes.dataset import DatasetSpec, Request
from tnas_cli.episodes.images import INVERTS, RESIZES, Invert, Resize
from tnas_cli.episodes.normalisation import normalisation_of
from tnas_cli.episodes.specs import DATASETS
from tnas_cli.errors import DataError, SettingsError, TnasError, did_you_mean
from tnas_cli.runs import shipped
from tnas_cli.runs.endings import CACHES, has_ending
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.plug_ins import PlugIns
from tnas_cli.settings.meta_learning import LARGEST_IMAGE, SMALLEST_IMAGE
from tnas_cli.spelling import command

GROUP = "tnas.datasets"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_ADDED = PlugIns(GROUP, lambda: DatasetSpec, tuple(DATASETS))


def dataset(name: str) -> DatasetSpec | None:
    """The data set of that name, or None."""
    return DATASETS.get(name) or _ADDED.get(name)


def datasets() -> dict[str, DatasetSpec]:
    """All data sets by name, tnas's own first."""
    return DATASETS | _ADDED.all()


def names() -> tuple[str, ...]:
    """The names of all data sets, without importing those of other packages."""
    return (*DATASETS, *_ADDED.names())


def prepare(
    name: str,
    *,
    protocol: str | None = None,
    source: Path | None = None,
    size: int | None = None,
    channels: int | None = None,
    resize: str | None = None,
    shares: tuple[int, int, int] | None = None,
    skip_bad: bool = False,
    keep_duplicates: bool | None = None,
    invert: str | None = None,
    normalise: str | None = None,
    seed: int = 0,
    root: Path | None = None,
    force: bool = False,
    listener: Listener = ignore,
    own_name: str | None = None,
) -> ImageCache:
    """Prepare a data set, or open the cache where it is prepared already (`force` prepares it anew).

    `own_name` names the data set that `folder` makes (default: the source folder's name). `channels` (1 or 3) and
    `shares` (per cent of the classes for train, val and test) are choices for `folder`, `resize` ('fit', 'crop' or
    'stretch') also for mini-imagenet and imagenet. `skip_bad` leaves out images that cannot be read, `keep_duplicates`
    (for `folder`) keeps a picture that is twice in its class. `invert` ('no', 'yes', or 'auto': those on a bright
    ground) is a choice for `folder` and `omniglot`. `normalise` is what `normalisation_of` reads. Raises SettingsError
    for choices that cannot work, DataError for a source that cannot be read, TnasError for a cache that cannot be
    written.
    """
    spec = dataset(name)
    if spec is None:
        raise SettingsError(_ADDED.problem(name) or f"unknown data set {name!r}.", hint=did_you_mean(name, names()))
    protocol = protocol or spec.protocol
    if protocol not in spec.protocols:
        raise SettingsError(
            f"{spec.name} has no split protocol {protocol!r}.", hint=did_you_mean(protocol, spec.protocols)
        )
    if size is not None and not SMALLEST_IMAGE <= size <= LARGEST_IMAGE:
        raise SettingsError(
            f"--size {size} is outside {SMALLEST_IMAGE} to {LARGEST_IMAGE} pixels.", hint="choose a size in that range"
        )
    resize_as = _choices(spec, channels, resize, shares, skip_bad=skip_bad, keep_duplicates=keep_duplicates)
    inverted, normalised = _invert(spec, invert), None if normalise is None else normalisation_of(normalise)
    name, root = _name_of(spec, source, own_name), root or cache_root()
    done = None if force else _prepared(name, protocol, size or spec.size, root)
    if done is not None:
        shares_asked = "/".join(map(str, shares)) if shares else None
        asked = {"channels": channels, "resize": resize, "shares": shares_asked, "seed": seed, "invert": invert}
        _check_same(done, name, source if spec.needs_source else None, asked | _as_numbers(normalise, done))
        tidy(done.path)
        listener(Note(f"{name} is already prepared: {done.path}"))
        return done
    if normalised is not None and (known := channels or spec.channels):
        normalised.on(known)  # others are refused before images are read
    request = Request(
        name,
        protocol,
        source,
        size or spec.size,
        channels or spec.channels,
        resize_as,
        shares or SHARES,
        skip_bad,
        seed,
        root,
        listener,
        keep_duplicates=spec.name != "folder" or bool(keep_duplicates),
        invert=inverted,
    )
    with request.account.said_of_errors():
        built = spec.build(request)
        attributes = built.attributes
        if spec.name == "folder":
            attributes = replace(attributes, shares="/".join(map(str, request.shares)))
        if normalised is not None:
            attributes = replace(attributes, mean=normalised.mean, std=normalised.std, normalise=normalise or "")
        path = cache_path(name, protocol, built.size, root)
        _check_space(path, built.bytes)
        write_cache(path, built.classes, attributes, replace=force, listener=listener)
    return open_cache(path)


def _invert(spec: DatasetSpec, invert: str | None) -> Invert:
    """Whether images are inverted; raises SettingsError where that is no choice."""
    if invert is not None and spec.invert is None:
        raise SettingsError(f"--invert does not apply to {spec.name}.", hint="leave --invert out")
    for known in INVERTS:
        if invert == known:
            return known
    if invert is not None:
        raise SettingsError(f"unknown --invert {invert!r}.", hint=did_you_mean(invert, INVERTS))
    return spec.invert or "no"


def _choices(
    spec: DatasetSpec,
    channels: int | None,
    resize: str | None,
    shares: tuple[int, int, int] | None,
    *,
    skip_bad: bool,
    keep_duplicates: bool | None,
) -> Resize:
    """How images become squares; raises SettingsError for choices that this data set does not offer."""
    own = spec.name == "folder"
    for option, value, offered in (
        ("--channels", channels, own),
        ("--split", shares, own),
        ("--resize", resize, spec.resizable),
        ("--skip-bad", skip_bad or None, not spec.embedded),
        ("--keep-duplicates", keep_duplicates or None, own),
    ):
        if value is not None and not offered:
            raise SettingsError(f"{option} does not apply to {spec.name}.", hint=f"leave {option} out")
    if channels not in (None, 1, 3):
        raise SettingsError(f"--channels {channels} is neither 1 (gray) nor 3 (colour).", hint="choose 1 or 3")
    if shares is not None and (sum(shares) != 100 or min(shares) < 1):
        raise SettingsError(
            f"--split {'/'.join(map(str, shares))} does not divide 100 per cent into three.",
            hint="for example: --split 64/16/20",
        )
    for known in RESIZES:
        if resize == known:
            return known
    if resize is not None:
        raise SettingsError(f"unknown --resize {resize!r}.", hint=did_you_mean(resize, RESIZES))
    return spec.resize


def _check_space(path: Path, needed: int) -> None:
    """Raise TnasError if the images will not fit; while they are written, they take their space twice."""
    place = next(parent for parent in (path.parent, *path.parent.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if 2 * needed > free:
        raise TnasError(
            f"{path} needs about {2 * needed / 1e9:.1f} GB while it is written; {place} has {free / 1e9:.1f} GB free.",
            hint="choose a smaller --size, or another folder with --cache-dir",
        )


def _name_of(spec: DatasetSpec, source: Path | None, own_name: str | None) -> str:
    if spec.name != "folder":
        if own_name is not None:
            raise SettingsError(f"--name {own_name} goes with folder, not with {spec.name}.", hint="leave --name out")
        if spec.embedded and source is not None:
            raise SettingsError(f"{spec.name} is drawn by tnas and takes no --source.", hint="leave --source out")
        if spec.needs_source and source is None:
            raise SettingsError(f"{spec.name} cannot be downloaded; it needs --source.", hint=spec.layouts)
        return spec.name
    if source is None:
        raise SettingsError(f"{spec.name} needs --source.", hint=spec.layouts)
    name = own_name or archive_stem(source.name) or re.sub(r"\.(csv|tsv|txt)$", "", source.resolve().name)
    if not NAME.fullmatch(name) or name in names() or has_ending(name, CACHES):
        raise SettingsError(
            f"{name!r} cannot name a data set of your own.",
            hint=f"give --name: letters, digits, '.', '_' and '-', and none of {', '.join(sorted(names()))}",
        )
    return name


def _prepared(name: str, protocol: str, size: int, root: Path) -> ImageCache | None:
    """The cache that exists already. With size 0, any size will do, so that no image has to be opened."""
    if size:
        path = cache_path(name, protocol, size, root)
        return open_cache(path) if path.is_file() else None
    paths = [path for path in sorted(root.glob(f"{name}-{protocol}-*.h5")) if dataset_of(path) == name]
    return open_cache(paths[0]) if paths else None


def _as_numbers(normalise: str | None, cache: ImageCache) -> dict[str, object]:
    """What a cache must hold for the normalisation that is asked for."""
    if normalise is None:
        return {}
    numbers = normalisation_of(normalise).on(cache.channels)
    # Whether they were measured, caches of earlier versions do not say.
    return {**numbers} or {"normalise": normalise if cache.normalise else None}


def _check_same(cache: ImageCache, name: str, source: Path | None, asked: Mapping[str, object]) -> None:
    """Raise SettingsError unless preparing now would make the same cache; None stands for any value."""
    for choice, value in asked.items():
        has = getattr(cache, choice)
        if value is not None and value != has:
            raise SettingsError(
                f"{cache.path} was prepared with {choice} {has}, not {value}.",
                hint="keep both with another --cache-dir; --force would replace it",
            )
    if source is not None and cache.source != str(source.resolve()):
        raise SettingsError(
            f"data set {name!r} was prepared from {cache.source}, not from {source}.",
            hint="choose another --name; --force would replace it",
        )


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
    if has_ending(name, CACHES):
        return open_cache(shipped.located(Path(name)))
    asked, root = root, root or cache_root()
    spec = dataset(name)
    if spec is None or spec.name == "folder":
        return _own(name, protocol, size, root, asked)
    path = cache_path(name, protocol or spec.protocol, size or spec.size, root)
    if path.is_file():
        return open_cache(path)
    if spec.embedded or (spec.downloadable and not offline):
        listener(Note(f"{name} is not prepared yet; preparing it"))
        return prepare(name, protocol=protocol, size=size, root=root, listener=listener)
    choices = {"--protocol": protocol, "--size": str(size) if size else None}
    options = [word for option, value in choices.items() if value for word in (option, value)]
    why = "--offline forbids downloading it" if spec.downloadable else "it cannot be downloaded"
    raise DataError(
        f"{name} is not prepared ({path} is missing), and {why}.",
        hint=f"run: {command('tnas', 'prepare-data', name, *options, '--source', 'DIR', *_place(asked))}"
        + (", or leave --offline out" if spec.downloadable else ""),
    )


def _place(asked: Path | None) -> list[str | Path]:
    """The option that names the folder that was asked for."""
    return [] if asked is None else ["--cache-dir", asked]


def _own(name: str, protocol: str | None, size: int | None, root: Path, asked: Path | None) -> ImageCache:
    """A data set that the user prepared from a folder."""
    caches = [open_cache(path) for path in sorted(root.glob("*.h5")) if dataset_of(path) == name]
    fitting = [cache for cache in caches if size in (None, cache.size) and protocol in (None, cache.protocol)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        paths = ", ".join(str(cache.path) for cache in fitting)
        raise SettingsError(f"{name!r} is prepared more than once: {paths}.", hint="name one of these files")
    if caches:
        prepared = ("tnas", "prepare-data", "folder", "--source", Path(caches[0].source), "--name", name)
        again = command(*prepared, "--size", str(size), *_place(asked))
        there = ", ".join(f"{cache.size} pixels ({cache.protocol} split)" for cache in caches)
        raise DataError(
            f"{name!r} is prepared with {there}, but not with this size or protocol.",
            hint=f"run: {again}" if size else f"choose one of them, or leave --protocol {protocol} out",
        )
    known = {dataset_of(path) for path in root.glob("*.h5")} | set(names()) - {"folder"}
    prepare_own = command("tnas", "prepare-data", "folder", "--source", "DIR", "--name", "NAME", *_place(asked))
    own = f"; for a folder of your own, run: {prepare_own}"
    unknown = _ADDED.problem(name) or f"unknown data set {name!r}."
    raise SettingsError(unknown, hint=did_you_mean(name, known) + own)


def dataset_of(path: Path) -> str:
    """The data set's name in a cache's file name, `<dataset>-<protocol>-<size>.h5`."""
    return path.stem.rsplit("-", 2)[0]
