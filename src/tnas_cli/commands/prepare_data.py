"""`prepare-data`: images to one cache file that every other command reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache, cache_root, open_cache
from tnas_cli.episodes.contact_sheet import write_contact_sheet
from tnas_cli.errors import DataError
from tnas_cli.records.other_results import DataSets, KnownDataSet, PreparedData, UnreadableCache
from tnas_cli.records.parts import SplitFacts
from tnas_cli.runs.endings import ending_of
from tnas_cli.runs.events import Listener, ignore


def prepare_data(
    dataset: str,
    *,
    source: Path | str | None = None,
    protocol: str | None = None,
    size: int | None = None,
    channels: int | None = None,
    resize: str | None = None,
    shares: tuple[int, int, int] | None = None,
    skip_bad: bool = False,
    keep_duplicates: bool | None = None,
    invert: str | None = None,
    normalise: str | None = None,
    seed: int = 0,
    name: str | None = None,
    root: Path | str | None = None,
    force: bool = False,
    preview: Path | str | None = None,
    listener: Listener = ignore,
) -> PreparedData:
    """Prepare a data set and say what it holds; one that is prepared already is opened (`force` prepares it anew).

    `dataset` is one of those that `data_sets` lists; `folder` reads images of your own below `source` and calls them
    `name`. `size` is the images' side in pixels, `channels` 1 or 3, `resize` 'fit', 'crop' or 'stretch', `shares` the
    percentages of classes for train, validation and test; `skip_bad` leaves out images that cannot be read, and
    `keep_duplicates` keeps a picture that is twice in its class; the record's `account` says what became of the files.
    `invert` ('no', 'yes' or 'auto': those on a bright ground) turns black into white, for `folder` and `omniglot`.
    `normalise` is 'measured' (mean and deviation of the training images), 'none', 'imagenet' or 'MEAN/STD'.
    `seed` decides random splits and drawings, `root` is the cache folder, `preview` a PNG file for a contact sheet.
    Raises SettingsError, DataError or TnasError.
    """
    if preview is not None:
        ending_of(Path(preview), [".png"], "--preview")
    cache = registry.prepare(
        dataset,
        protocol=protocol,
        source=None if source is None else Path(source),
        size=size,
        channels=channels,
        resize=resize,
        shares=shares,
        skip_bad=skip_bad,
        keep_duplicates=keep_duplicates,
        invert=invert,
        normalise=normalise,
        seed=seed,
        root=None if root is None else Path(root),
        force=force,
        listener=listener,
        own_name=name,
    )
    if preview is not None:
        write_contact_sheet(cache, Path(preview))
    return replace(_record(cache), preview=None if preview is None else str(preview))


def data_sets(root: Path | str | None = None) -> DataSets:
    """Every known data set with its prepared caches, and the user's own data sets that are prepared.

    A cache that cannot be read is listed with its error.
    """
    folder = cache_root() if root is None else Path(root)
    prepared: dict[str, list[PreparedData | UnreadableCache]] = {}
    for path in sorted(folder.glob("*.h5")):
        try:
            record: PreparedData | UnreadableCache = _record(open_cache(path))
        except DataError as error:
            record = UnreadableCache(dataset=registry.dataset_of(path), path=str(path), error=error.message)
        prepared.setdefault(record.dataset, []).append(record)
    known = [
        KnownDataSet(
            dataset=spec.name,
            about=spec.about,
            licence=spec.licence,
            how="embedded" if spec.embedded else _how(spec.bytes),
            protocols=tuple(spec.protocols),
            prepared=tuple(prepared.pop(spec.name, ())),
        )
        for spec in registry.datasets().values()
    ]
    own = [
        KnownDataSet(dataset=name, about="your own", licence="", how="prepared", protocols=(), prepared=tuple(caches))
        for name, caches in prepared.items()
    ]
    return DataSets(data_sets=(*known, *own))


def _how(size: int) -> str:
    return f"download, {size / 1e6:.0f} MB" if size else "--source"


def _record(cache: ImageCache) -> PreparedData:
    return PreparedData(
        dataset=cache.dataset,
        protocol=cache.protocol,
        split_note=cache.split_note,
        seed=cache.seed,
        size=cache.size,
        channels=cache.channels,
        resize=cache.resize,
        mean=tuple(cache.mean),
        std=tuple(cache.std),
        splits={
            name: SplitFacts(classes=counts["classes"], images=counts["images"])
            for name, counts in cache.summary().items()
        },
        licence=cache.licence,
        source=cache.source,
        fingerprint=cache.fingerprint,
        duplicates_across_splits=cache.duplicates,
        account=cache.account,
        invert=cache.invert or None,
        path=str(cache.path),
        bytes=cache.path.stat().st_size,
    )
