"""`tnas adapt --dataset`: what was learned, fitted to a data set's tasks (Algorithm 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.divergence import naming
from tnas_cli.methods.nearest_neighbour import nearest_classes
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.recipes import adapt_records
from tnas_cli.recipes.adapt import AS_LEARNED, DIVERGED, Adapting, Asked, begin, by_step, engine_for, fit_folders
from tnas_cli.recipes.learned import Learned
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.same_data import check_same_data
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine


@dataclass(frozen=True)
class Which:
    """The first `tasks` evaluation tasks of a split; protocol, shot and query are the checkpoint's where they are
    None."""

    split: str = "test"
    tasks: int = 20
    protocol: str | None = None
    shot: int | None = None
    query: int | None = None


TEST_TASKS = Which()


@dataclass(frozen=True)
class StoredTasks:
    """The same with everything settled."""

    split: str
    way: int
    shot: int
    query: int
    tasks: int


def adapt_dataset(
    checkpoint: Path,
    dataset: str,
    asked: Asked = AS_LEARNED,
    which: Which = TEST_TASKS,
    *,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """Adapt to evaluation tasks of a data set; yields as `adapt.adapt_folders` does.

    Raises SettingsError when the data set's images do not fit the checkpoint's, CheckpointError and DataError.
    """
    begun = begin(checkpoint, asked, machine)
    cache, stored = stored_tasks(begun, dataset, which, machine, listener)
    engine = engine_for_stored(begun, stored, machine, listener)
    records: list[Adapted] = []
    for batch in batches_of(cache, stored, begun.device):
        for record in adapt_batch(begun, engine, batch, cache, stored, len(records)):
            records.append(record)
            yield record
        listener(events.Progress("adapt", len(records), stored.tasks, "tasks"))
    yield adapt_records.result_of_dataset(begun, records, engine, cache, stored.split, stored.query)


def stored_tasks(
    begun: Adapting, dataset: str, which: Which, machine: Machine, listener: events.Listener
) -> tuple[ImageCache, StoredTasks]:
    """The data set, and the tasks that are asked for; raises SettingsError for those that do not fit the checkpoint,
    and DataError."""
    learned, protocol = begun.learned, which.protocol
    if protocol is None and dataset == learned.data.dataset:
        protocol = learned.data.protocol
    cache = registry.ensure(
        dataset, protocol=protocol, root=machine.cache_root, offline=machine.offline, listener=listener
    )
    _check_same_images(learned, cache)
    check_same_data(learned.data, cache, str(begun.path), allowed=machine.allow_other_data)
    way = learned.settings.way
    if len(cache.classes(which.split)) < way:
        raise SettingsError(
            f"the tasks of {begun.path} have {way} classes, but split {which.split!r} of {cache.dataset} has "
            f"{len(cache.classes(which.split))}.",
            hint="choose another --split or data set, or adapt to task folders, which may have any number of classes",
        )
    shot, query = which.shot or learned.settings.shot, which.query or learned.settings.query
    return cache, StoredTasks(which.split, way, shot, query, which.tasks)


def engine_for_stored(begun: Adapting, stored: StoredTasks, machine: Machine, listener: events.Listener) -> Engine:
    """The engine that computes the tasks."""
    images = (stored.way * stored.shot, stored.way * stored.query)
    return engine_for(begun, machine, listener, images, stored.tasks * sum(images))


def batches_of(cache: ImageCache, stored: StoredTasks, device: torch.device) -> Iterator[TaskBatch]:
    """The tasks in batches, which are computed together."""
    return evaluation_batches(cache, stored.split, stored.way, stored.shot, stored.query, stored.tasks, device)


def _check_same_images(learned: Learned, cache: ImageCache) -> None:
    ours, theirs = (cache.size, cache.channels), (learned.size, learned.data.channels)
    if ours != theirs:
        raise SettingsError(
            f"{cache.dataset} has {cache.channels} x {cache.size} x {cache.size} images, the checkpoint learned from "
            f"{theirs[1]} x {theirs[0]} x {theirs[0]}.",
            hint=f"prepare {cache.dataset} with --size {theirs[0]}, or search on {cache.dataset}",
        )


def adapt_batch(
    begun: Adapting, engine: Engine, batch: TaskBatch, cache: ImageCache, stored: StoredTasks, first: int
) -> Iterator[Adapted]:
    """A record for each task of a batch, whose first one is number `first` of the split; answered both ways."""
    with naming(lambda position: f"{stored.split} task {first + position}", DIVERGED):
        fitted = fit_folders(begun, engine, batch.support, batch.way)
    logits = fitted.both(batch.query_x)
    together, alone = (task_accuracies(answered, batch.query_y) for answered in logits)
    for measure, answered in zip(begun.measures, logits, strict=True):
        measure.add(answered, batch.query_y)
    between = by_step(begun, engine, batch.support, batch.way, [batch.query_x], transductive=True)
    near = (nearest_classes(batch.support, batch.query_x) == batch.query_y).double().mean(1)
    for position in range(len(batch)):
        task = TaskName(dataset=cache.dataset, protocol=cache.protocol, split=stored.split, index=first + position)
        record = adapt_records.adapted(
            begun,
            fitted,
            position,
            task=task,
            way=batch.way,
            shot=stored.shot,
            query=batch.query_y.shape[1],
            accuracy=float(together[position]),
            inductive_accuracy=float(alone[position]),
            nearest_neighbour=float(near[position]),
            preparation=replace(preparation_of(cache), account=None),  # it is in the result
            transductive=True,
        )
        if between:
            own = [logits[position] for logits in between]
            record = adapt_records.with_steps(record, own, batch.support_y[position], batch.query_y[position])
        yield record
