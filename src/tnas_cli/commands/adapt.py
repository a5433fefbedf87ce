"""`tnas adapt` as functions: adapt a meta-architecture to new tasks (Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tnas_cli.episodes.task_folder import Invert
from tnas_cli.recipes import adapt as recipe
from tnas_cli.recipes.adapt import AS_SEARCHED, Asked
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore

Each = Callable[[Adapted], None]


class Adaptation(NamedTuple):
    """A record per task, in their order, and the result over all of them."""

    tasks: tuple[Adapted, ...]
    result: AdaptResult


def drop(record: Adapted) -> None:
    """The default for `each`: do nothing with the record."""


def adapt_folders(
    checkpoint: Path | str,
    folders: Sequence[Path | str],
    asked: Asked = AS_SEARCHED,
    *,
    invert: Invert = "auto",
    each: Each = drop,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> Adaptation:
    """Adapt to task folders: support/<class>/*, and optionally query/<class>/* (measured) or query/* (predicted).

    invert: whether dark ink is turned bright. each: called with a task's record as soon as it is known. Raises
    CheckpointError, and DataError before anything is computed if any folder cannot be used.
    """
    paths = [Path(folder) for folder in folders]
    found = recipe.adapt_folders(Path(checkpoint), paths, asked, invert=invert, machine=machine, listener=listener)
    return _told(found, each)


def adapt_dataset(
    checkpoint: Path | str,
    dataset: str,
    asked: Asked = AS_SEARCHED,
    *,
    split: str = "test",
    tasks: int = 20,
    protocol: str | None = None,
    shot: int | None = None,
    query: int | None = None,
    each: Each = drop,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> Adaptation:
    """Adapt to the first `tasks` evaluation tasks of a data set; shot and query are the search's unless given.

    each: called with a task's record as soon as it is known. Raises SettingsError when the data set's images do not fit
    the checkpoint's, CheckpointError and DataError.
    """
    found = recipe.adapt_dataset(
        Path(checkpoint),
        dataset,
        asked,
        split=split,
        tasks=tasks,
        protocol=protocol,
        shot=shot,
        query=query,
        machine=machine,
        listener=listener,
    )
    return _told(found, each)


def _told(found: Iterator[Adapted | AdaptResult], each: Each) -> Adaptation:
    tasks: list[Adapted] = []
    for record in found:
        if isinstance(record, AdaptResult):
            return Adaptation(tuple(tasks), record)
        each(record)
        tasks.append(record)
    raise AssertionError("an adaptation ends with its result")
