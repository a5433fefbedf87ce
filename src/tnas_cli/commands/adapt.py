"""`tnas adapt` as functions: what a learned network makes of new tasks (Algorithm 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tnas_cli.episodes.own_images import Invert
from tnas_cli.recipes import adapt as recipe
from tnas_cli.recipes import adapt_dataset as of_dataset
from tnas_cli.recipes.adapt import AS_LEARNED, Asked
from tnas_cli.recipes.adapt_dataset import Which
from tnas_cli.recipes.adapt_units import adapt_dataset_on_cluster, adapt_folders_on_cluster, refuse_on_cluster
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore

Each = Callable[[Adapted], None]


class Adaptation(NamedTuple):
    """A record per task, in their order, and the result over all of them."""

    tasks: tuple[Adapted, ...]
    result: AdaptResult


def adapt_folders(
    checkpoint: Path | str,
    folders: Sequence[Path | str],
    asked: Asked = AS_LEARNED,
    *,
    invert: Invert = "auto",
    keep_duplicates: bool = False,
    save: Path | str | None = None,
    each: Each = ignore,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> Adaptation:
    """Adapt to task folders: support/<class>/*, and optionally query/<class>/* (measured) or query/* (predicted).

    An answer depends on the support set and the image alone, unless `asked` says otherwise. invert: whether dark ink is
    turned bright. keep_duplicates: a support image may be twice in its class. save: a .pt file that keeps the adapted
    model of one folder, for `predict`. each: called with a task's record as soon as it is known, or by the workers of a
    cluster when all are. Of several folders those that cannot be used have no record, and are named in the result's
    `set_aside`. Raises SettingsError, CheckpointError, and DataError where no folder can be used.
    """
    paths = [Path(folder) for folder in folders]
    how: dict[str, Any] = {"invert": invert, "keep_duplicates": keep_duplicates}
    where: dict[str, Any] = {"machine": machine, "listener": listener}
    if machine.cluster is not None:
        refuse_on_cluster(machine, None if save is None else Path(save))
        return _told(adapt_folders_on_cluster(Path(checkpoint), paths, asked, **how, **where), each)
    kept = None if save is None else Path(save)
    found = recipe.adapt_folders(Path(checkpoint), paths, asked, save=kept, **how, **where)
    return _told(found, each)


def adapt_dataset(
    checkpoint: Path | str,
    dataset: str,
    asked: Asked = AS_LEARNED,
    *,
    split: str = "test",
    tasks: int = 20,
    protocol: str | None = None,
    shot: int | None = None,
    query: int | None = None,
    each: Each = ignore,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> Adaptation:
    """Adapt to the first `tasks` evaluation tasks of a data set; shot and query are the checkpoint's unless given.

    Query images are answered both ways: all together, as in the publications, and each by itself. each: called with a
    task's record as soon as it is known, or by the workers of a cluster when all are. Raises SettingsError when the
    data set's images do not fit the checkpoint's, CheckpointError and DataError.
    """
    which = Which(split, tasks, protocol, shot, query)
    adapted = of_dataset.adapt_dataset if machine.cluster is None else adapt_dataset_on_cluster
    return _told(adapted(Path(checkpoint), dataset, asked, which, machine=machine, listener=listener), each)


def _told(found: Iterator[Adapted | AdaptResult], each: Each) -> Adaptation:
    tasks: list[Adapted] = []
    for record in found:
        if isinstance(record, AdaptResult):
            return Adaptation(tuple(tasks), record)
        each(record)
        tasks.append(record)
    raise AssertionError("an adaptation ends with its result")
