"""The command that may follow another one, with everything that it needs to work when it is pasted; or none.

It names the data where they are (a file, `--cache-dir`), and asks for no more classes and images than there are.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache, cache_path, cache_root, open_cache
from tnas_cli.errors import TnasError
from tnas_cli.plain import as_written
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.other_results import PreparedData
from tnas_cli.records.results import GrowResult, Measured, SearchResult
from tnas_cli.report.paper_tables import DEFAULT_TABLE, first_table_of
from tnas_cli.runs.called import argv
from tnas_cli.runs.run_file import NAME, RunFile
from tnas_cli.spaces.registry import USUAL
from tnas_cli.spelling import command

Words = list[str | Path]

#: What every preset asks for, where a data set has it.
WAY, SHOT, QUERY = 5, 1, 15


def after_data(prepared: PreparedData, root: Path | None) -> str | None:
    """A search on a prepared data set, or a training on one whose splits have the same classes."""
    try:
        cache = open_cache(Path(prepared.path))
        where = data_words(cache, root)
    except TnasError:
        return None
    train, test = ({cache.class_names[number] for number in cache.classes(split)} for split in ("train", "test"))
    if train & test:
        return command("tnas", "transfer", "DARTS_V2", *where)
    fitting = _fitting(cache, ("train", "val", "test"), WAY, SHOT)
    return None if fitting is None else command("tnas", "search", *where, *fitting)


def after_search(found: SearchResult) -> str | None:
    """The adaptation to test tasks of the data set that was searched on."""
    try:
        cache, root, query = _data_of(Path(found.checkpoint).parent)
    except TnasError:
        return None
    fitting = _fitting(cache, ("test",), found.way, found.shot, query)
    if fitting is None or fitting[1] != str(found.way):  # a data set's tasks have the checkpoint's classes
        return None
    tasks: Words = ["--split", "test", "--tasks", "20"]
    where: Words = [*data_words(cache, root), *tasks, *fitting[4:]]
    return command("tnas", "adapt", Path(found.checkpoint), *where)


def after_growing(found: GrowResult) -> str | None:
    """The training of the cell that grew best, and its test."""
    try:
        cache, root, query = _data_of(Path(found.run))
    except TnasError:
        return None
    fitting = _fitting(cache, ("train", "val", "test"), found.way, found.shot, query)
    if fitting is None or fitting[1] != str(found.way):
        return None
    return command("tnas", "train-eval", Path(found.path), *data_words(cache, root), *fitting[4:])


def after_adapting() -> str | None:
    """What the adapted tasks decode to: the same call again, whose records go into the next command."""
    words = argv()
    return None if words is None else f"{command(*words[:2], '--json', *words[2:])} | tnas decode -"


def after_decoding(records: Sequence[Decoded], source: str, max_skips: int | None) -> str | None:
    """The training of the genotypes in a file, or of the most frequent one of those that were piped in.

    None for a meta-architecture, which is not meant to be decoded for a task (Appendix B).
    """
    first = records[0]
    if first.task is not None and first.task.meta_architecture is not None:
        return None
    ways = {(record.run, record.way, record.shot, record.channels) for record in records}
    if len(ways) > 1 or first.run is None or first.way is None or not isinstance(first.shot, int):
        return None
    try:
        cache, root, _ = _data_of(Path(first.run))
        where = data_words(cache, root)
    except TnasError:
        return None
    fitting = _fitting(cache, ("train", "val", "test"), first.way, first.shot)
    if fitting is None or fitting[1] != str(first.way):
        return None
    if source != "-":
        skips = () if max_skips is None else ("--max-skips", str(max_skips))
        return command("tnas", "train-eval", Path(source), *where, *fitting[4:], *skips)
    if first.space != USUAL:
        return None  # the text of a genotype does not say which space it is from
    (text, _), *_ = Counter(record.darts for record in records).most_common(1)
    channels = () if first.channels is None else ("--channels", str(first.channels))
    return command("tnas", "train-eval", text, *where, *fitting, *channels)


def after_training(result: Measured, *runs: str | None) -> str:
    """The table of the paper that has a place for the result."""
    number = first_table_of(result.setting)
    table = () if number == DEFAULT_TABLE else ("--table", str(number))
    return command("tnas", "report", *(Path(run) for run in runs if run is not None), *table)


def data_words(cache: ImageCache, root: Path | None) -> Words:
    """Options that name this cache for another command: its name where that means this file, otherwise the file."""
    root = root or _root_of_environment()
    folder, spec = root or cache_root(), registry.dataset(cache.dataset)
    protocol: Words = []
    if spec is not None and spec.name != "folder":
        named = cache_path(spec.name, cache.protocol, spec.size, folder)
        protocol = [] if cache.protocol == spec.protocol else ["--protocol", cache.protocol]
    else:
        of_name = [path for path in folder.glob("*.h5") if registry.dataset_of(path) == cache.dataset]
        named = of_name[0] if len(of_name) == 1 else Path()
    if not named.is_file() or not named.samefile(cache.path):
        return ["--dataset", cache.path]
    place: Words = [] if root is None else ["--cache-dir", root]
    return ["--dataset", cache.dataset, *protocol, *place]


def _root_of_environment() -> Path | None:
    """The folder that TNAS_CACHE names: the variable may have been set for one command only."""
    return cache_root() if os.environ.get("TNAS_CACHE") else None


def _data_of(run: Path) -> tuple[ImageCache, Path | None, int]:
    """The data of a search, as it opened them, the folder that was given for them, and its query images per class.

    Raises TnasError.
    """
    file = RunFile.read(run)
    root, settings = file.machine.cache_root, file.settings
    with as_written(run / NAME):
        dataset, protocol, query = str(settings["dataset"]), str(settings.get("protocol") or ""), int(settings["query"])
    return registry.ensure(dataset, protocol=protocol or None, root=root, offline=True), root, query


def _fitting(cache: ImageCache, splits: Sequence[str], way: int, shot: int, usual: int = QUERY) -> Words | None:
    """--way, --shot and, where there are fewer than the `usual` query images, --query for tasks of all these splits; or
    None."""
    counts = np.diff(cache.class_offset)
    way = min(way, *(len(cache.classes(split)) for split in splits))
    images = min(int(counts[cache.classes(split)].min(initial=usual + shot)) for split in splits)
    query = min(usual, images - shot)
    if way < 2 or query < 1:
        return None
    return ["--way", str(way), "--shot", str(shot), *([] if query == usual else ["--query", str(query)])]
