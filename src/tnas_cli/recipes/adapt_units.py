"""`tnas adapt` to many tasks on a cluster: a unit is some task folders of the same shape, or tasks of a data set."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache, open_cache
from tnas_cli.episodes.own_images import Invert
from tnas_cli.episodes.task_folder import FolderTask
from tnas_cli.errors import DataError, Interrupted, SettingsError, TnasError
from tnas_cli.methods.calibration import Measure
from tnas_cli.methods.streams import TASKS_PER_BATCH
from tnas_cli.recipes import adapt_records
from tnas_cli.recipes.adapt import (
    AS_LEARNED,
    Adapting,
    Asked,
    adapt_alike,
    begin,
    engine_for,
    engine_for_folders,
    read_folders,
    same_shape,
)
from tnas_cli.recipes.adapt_dataset import (
    TEST_TASKS,
    StoredTasks,
    Which,
    adapt_batch,
    batches_of,
    engine_for_stored,
    stored_tasks,
)
from tnas_cli.recipes.sent import lie_in, placed
from tnas_cli.recipes.units import set_aside
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs import events, shipped
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.workers import on_cluster


class AdaptUnits(ABC):
    """Adapts to the tasks of single units in another process, where their records are made. Where workers see no files
    of this process, it is as `scale.over_cluster.Sent`."""

    def __init__(self, begun: Adapting, engine: Engine, machine: Machine, reads: Iterable[Path] = ()) -> None:
        self.checkpoint, self.asked = shipped.located(begun.path).resolve(), begun.asked
        self.files = placed([self.checkpoint, *sorted(self.checkpoint.parent.glob("top-*.pt")), *reads])
        self.machine = replace(machine, threads=1, engine=engine.name, offline=True, cluster=None)
        self.on_gpu = machine.device in ("auto", "cuda")
        self.folder: Path | None = None

    @abstractmethod
    def __len__(self) -> int:
        """How many units there are."""

    @abstractmethod
    def positions(self, item: int) -> Sequence[int]:
        """Which of the tasks a unit is."""

    @abstractmethod
    def engine(self, begun: Adapting) -> Engine:
        """The engine that computes them, on a worker."""

    @abstractmethod
    def adapted(self, begun: Adapting, engine: Engine, item: int) -> list[Adapted]:
        """The records of a unit's tasks; `begun` takes the measures."""

    @cached_property
    def _begun(self) -> tuple[Adapting, Engine]:
        if self.folder is not None:
            lie_in(self.folder, self.files)
        begun = begin(self.checkpoint, self.asked, self.machine)
        return begun, self.engine(begun)

    def __call__(self, item: int, listener: Callable[[events.Event], None]) -> None:
        begun, engine = self._begun
        begun = replace(begun, measures=(Measure(), Measure(begun.learned.temperature)))
        listener(events.Made((self.adapted(begun, engine, item), begun.measures)))

    def common(self) -> Mapping[str, Path]:
        return self.files

    def own(self, item: int) -> Mapping[str, Path]:
        return {}

    def in_folder(self, folder: Path) -> None:
        self.folder = folder

    def receive(self, files: Mapping[str, bytes | None]) -> None:
        assert not any(files.values()), "a unit leaves no files"


class FolderUnits(AdaptUnits):
    """parts: the folders of each unit, by their positions; images: the digest of each folder's."""

    def __init__(
        self,
        begun: Adapting,
        engine: Engine,
        machine: Machine,
        tasks: Sequence[FolderTask],
        invert: Invert,
        *,
        keep_duplicates: bool,
    ) -> None:
        super().__init__(begun, engine, machine)
        self.parts, self.invert, self.keep_duplicates = list(same_shape(tasks)), invert, keep_duplicates
        self.folders, self.images = [task.path.resolve() for task in tasks], list(map(digest_of, tasks))

    def __len__(self) -> int:
        return len(self.parts)

    def positions(self, item: int) -> Sequence[int]:
        return self.parts[item]

    def own(self, item: int) -> Mapping[str, Path]:
        return {
            f"tasks/{position}/{file.relative_to(self.folders[position]).as_posix()}": file
            for position in self.parts[item]
            for above, _, names in os.walk(self.folders[position], followlinks=True)
            for file in (Path(above) / name for name in names)
            if file.is_file()
        }

    def engine(self, begun: Adapting) -> Engine:
        return engine_for(begun, self.machine, events.ignore)

    def adapted(self, begun: Adapting, engine: Engine, item: int) -> list[Adapted]:
        paths = [self.folders[position] for position in self.parts[item]]
        if self.folder is not None:
            paths = [self.folder / "tasks" / str(position) for position in self.parts[item]]
        quiet = events.ignore
        tasks, bad = read_folders(begun, paths, self.invert, keep_duplicates=self.keep_duplicates, listener=quiet)
        for error in bad.values():
            raise error
        for task, position in zip(tasks, self.parts[item], strict=True):
            if digest_of(task) != self.images[position]:
                raise DataError(
                    f"{self.folders[position]} on {platform.node()} does not hold the images that it holds where tnas "
                    "was called.",
                    hint="copy the folder to all machines, or put it where all of them find it",
                )
        return adapt_alike(begun, engine, tasks, self.invert)[1]


class DatasetUnits(AdaptUnits):
    """Each unit is a batch of the tasks."""

    def __init__(
        self, begun: Adapting, engine: Engine, machine: Machine, cache: ImageCache, stored: StoredTasks
    ) -> None:
        super().__init__(begun, engine, machine, [cache.path])
        self.path, self.fingerprint, self.stored = cache.path, cache.fingerprint, stored

    def __len__(self) -> int:
        return math.ceil(self.stored.tasks / TASKS_PER_BATCH)

    def positions(self, item: int) -> Sequence[int]:
        return range(item * TASKS_PER_BATCH, min(self.stored.tasks, (item + 1) * TASKS_PER_BATCH))

    @cached_property
    def _cache(self) -> ImageCache:
        cache = open_cache(shipped.located(self.path))
        if cache.fingerprint != self.fingerprint:
            raise DataError(
                f"{self.path} on {platform.node()} does not hold the images that it holds where tnas was called.",
                hint="copy the prepared data set to all machines, or put it where all of them find it",
            )
        return cache

    def engine(self, begun: Adapting) -> Engine:
        return engine_for_stored(begun, self.stored, self.machine, events.ignore)

    def adapted(self, begun: Adapting, engine: Engine, item: int) -> list[Adapted]:
        (batch,) = islice(batches_of(self._cache, self.stored, begun.device), item, item + 1)
        return list(adapt_batch(begun, engine, batch, self._cache, self.stored, item * TASKS_PER_BATCH))


def digest_of(task: FolderTask) -> str:
    """Of a folder's classes and of its images as they are adapted to and answered."""
    found = hashlib.sha256(json.dumps(task.class_names).encode())
    for tensor in (task.support_x, task.support_y, task.query_x, task.query_y):
        if tensor is not None:
            found.update(str(tuple(tensor.shape)).encode() + tensor.numpy().tobytes())
    return found.hexdigest()


def adapt_folders_on_cluster(
    checkpoint: Path,
    folders: Sequence[Path],
    asked: Asked = AS_LEARNED,
    *,
    invert: Invert = "auto",
    keep_duplicates: bool = False,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """As `adapt.adapt_folders`, on the cluster of the machine; records are yielded when all are known, or the work is
    stopped. Folders of a unit that was set aside have no record, and the result names them."""
    begun = _begin(checkpoint, asked, machine)
    tasks, bad = read_folders(begun, folders, invert, keep_duplicates=keep_duplicates, listener=listener)
    engine = engine_for_folders(begun, tasks, machine, listener)
    units = FolderUnits(begun, engine, machine, tasks, invert, keep_duplicates=keep_duplicates)
    names, aside = [str(task.path) for task in tasks], dict[str, TnasError]()
    records = []
    for position, record in _done(units, begun, names, aside, machine, listener):
        records.append(_named(record, tasks[position]))
        yield records[-1]
    yield replace(adapt_records.result_of_folders(begun, records, engine), set_aside=set_aside(bad | aside))


def adapt_dataset_on_cluster(
    checkpoint: Path,
    dataset: str,
    asked: Asked = AS_LEARNED,
    which: Which = TEST_TASKS,
    *,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """As `adapt_dataset.adapt_dataset`, on the cluster of the machine, and otherwise as `adapt_folders_on_cluster`."""
    begun = _begin(checkpoint, asked, machine)
    cache, stored = stored_tasks(begun, dataset, which, machine, listener)
    engine = engine_for_stored(begun, stored, machine, listener)
    units = DatasetUnits(begun, engine, machine, cache, stored)
    names, aside = [f"{stored.split} task {index}" for index in range(stored.tasks)], dict[str, TnasError]()
    records = []
    for _, record in _done(units, begun, names, aside, machine, listener):
        records.append(record)
        yield record
    result = adapt_records.result_of_dataset(begun, records, engine, cache, stored.split, stored.query)
    yield replace(result, set_aside=set_aside(aside))


def _begin(checkpoint: Path, asked: Asked, machine: Machine) -> Adapting:
    assert machine.cluster is not None
    check_cluster(machine.cluster)
    return begin(checkpoint, asked, machine)


def _done(
    units: AdaptUnits,
    begun: Adapting,
    names: Sequence[str],
    aside: dict[str, TnasError],
    machine: Machine,
    listener: events.Listener,
) -> Iterator[tuple[int, Adapted]]:
    """The records of all tasks by their positions, when all are known or the work is stopped; `begun` takes the
    measures, and `aside` the errors of tasks that were set aside, by their names."""
    assert machine.cluster is not None
    found: dict[int, tuple[list[Adapted], tuple[Measure, Measure]]] = {}

    def heard(item: int, event: events.Event) -> None:
        if isinstance(event, events.Made):
            found[item] = event.value
            done = sum(len(records) for records, _ in found.values())
            listener(events.Progress("adapt", done, len(names), "tasks"))

    def records() -> list[tuple[int, Adapted]]:
        known = [pair for item in found for pair in zip(units.positions(item), found[item][0], strict=True)]
        return [
            (position, replace(record, checkpoint=str(begun.path)))
            for position, record in sorted(known, key=lambda pair: pair[0])
        ]

    form, failure = on_cluster(units, machine.cluster, units.checkpoint), None
    try:
        errors = form(iter(range(len(units))), heard, listener)
    except (TnasError, StoppedError) as error:
        failure, errors = error, {}
    if failure is None and errors and not found:
        raise next(iter(errors.values()))
    for item in sorted(found):
        for ours, theirs in zip(begun.measures, found[item][1], strict=True):
            ours.extend(theirs)
    aside |= {names[position]: errors[item] for item in sorted(errors) for position in units.positions(item)}
    if aside:
        done = len(names) - len(aside)
        listener(events.Note(f"adapted to {done} of {len(names)} tasks; set aside: {', '.join(aside)}"))
    yield from records()
    if isinstance(failure, TnasError):
        raise failure
    if failure is not None:
        raise Interrupted(
            f"stopped after {len(records())} of {len(names)} tasks.", hint="call it again with the others"
        ) from None


def refuse_on_cluster(machine: Machine, save: Path | None) -> None:
    """Raises SettingsError for one adapted model, which this process has to keep."""
    if machine.cluster is not None and save is not None:
        raise SettingsError("--save has no effect with --cluster.", hint="leave one of them out")


def _named(record: Adapted, task: FolderTask) -> Adapted:
    """The record with files named as they were named here."""
    rows = record.predictions
    if rows is not None:
        rows = tuple(replace(row, image=str(path)) for row, path in zip(rows, task.query_paths, strict=True))
    return replace(record, task=TaskName(folder=str(task.path)), predictions=rows)
