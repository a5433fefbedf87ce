"""`tnas adapt` to many task folders on a cluster: a unit is some folders of the same shape."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.own_images import Invert
from tnas_cli.episodes.task_folder import FolderTask
from tnas_cli.errors import DataError, Interrupted, SettingsError, TnasError
from tnas_cli.methods.calibration import Measure
from tnas_cli.recipes import adapt_records
from tnas_cli.recipes.adapt import AS_LEARNED, Adapting, Asked, adapt_alike, begin, engine_for, read_folders, same_shape
from tnas_cli.recipes.units import set_aside
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs import events, shipped
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.scale.cluster import check_address
from tnas_cli.scale.workers import on_cluster

#: What a unit makes: the records of its folders, and what they measure, transductive and inductive.
Part = tuple[list[Adapted], tuple[Measure, Measure]]


class AdaptUnits:
    """Adapts to the folders of single units in another process; each unit's records are made there and sent back.

    parts: the folders of each unit, each with the digest of its images.
    """

    def __init__(
        self,
        checkpoint: Path,
        parts: Sequence[Sequence[tuple[Path, str]]],
        asked: Asked,
        invert: Invert,
        keep_duplicates: bool,
        machine: Machine,
    ) -> None:
        self.checkpoint, self.parts, self.asked, self.invert = checkpoint, parts, asked, invert
        self.keep_duplicates, self.machine = keep_duplicates, machine
        self.on_gpu = machine.device in ("auto", "cuda")

    @cached_property
    def _begun(self) -> tuple[Adapting, Engine]:
        begun = begin(self.checkpoint, self.asked, self.machine)
        return begun, engine_for(begun, self.machine, events.ignore)

    def __call__(self, item: int, listener: Callable[[events.Event], None]) -> None:
        begun, engine = self._begun
        begun = replace(begun, measures=(Measure(), Measure(begun.learned.temperature)))
        folders = [folder for folder, _ in self.parts[item]]
        tasks = read_folders(begun, folders, self.invert, keep_duplicates=self.keep_duplicates, listener=events.ignore)
        for task, (folder, images) in zip(tasks, self.parts[item], strict=True):
            if digest_of(task) != images:
                raise DataError(
                    f"{folder} on {platform.node()} does not hold the images that it holds where tnas was called.",
                    hint="copy the folder to all machines, or put it where all of them find it",
                )
        _, records = adapt_alike(begun, engine, tasks, self.invert)
        listener(events.Made((records, begun.measures)))


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
    assert machine.cluster is not None
    check_address(machine.cluster)
    begun = begin(checkpoint, asked, machine)
    tasks = read_folders(begun, folders, invert, keep_duplicates=keep_duplicates, listener=listener)
    engine, parts = engine_for(begun, machine, listener), list(same_shape(tasks))
    apart = replace(machine, threads=1, engine=engine.name, offline=True, cluster=None)
    located = shipped.located(checkpoint).resolve()
    where = [[(folders[position].resolve(), digest_of(tasks[position])) for position in part] for part in parts]
    units = AdaptUnits(located, where, asked, invert, keep_duplicates, apart)
    found: dict[int, Adapted] = {}

    def heard(item: int, event: events.Event) -> None:
        if not isinstance(event, events.Made):
            return
        records, measures = event.value
        found.update(_named(begun, tasks, parts[item], records))
        for ours, theirs in zip(begun.measures, measures, strict=True):
            ours.extend(theirs)
        listener(events.Progress("adapt", len(found), len(tasks), "tasks"))

    form = on_cluster(units, machine.cluster, located)
    try:
        aside = form(iter(range(len(parts))), heard, listener)
    except (TnasError, StoppedError) as error:
        yield from (found[position] for position in sorted(found))
        if isinstance(error, TnasError):
            raise
        raise Interrupted(
            f"stopped after {len(found)} of {len(tasks)} tasks.", hint="call it again with the others"
        ) from None
    if aside and not found:
        raise next(iter(aside.values()))
    errors = {str(folders[position]): error for item, error in aside.items() for position in parts[item]}
    if errors:
        listener(events.Note(f"adapted to {len(found)} of {len(tasks)} folders; set aside: {', '.join(errors)}"))
    records = [found[position] for position in sorted(found)]
    yield from records
    yield replace(adapt_records.result_of_folders(begun, records, engine), set_aside=set_aside(errors))


def refuse_on_cluster(machine: Machine, save: Path | None) -> None:
    """Raises SettingsError for one adapted model, which this process has to keep."""
    if machine.cluster is not None and save is not None:
        raise SettingsError("--save has no effect with --cluster.", hint="leave one of them out")


def _named(
    begun: Adapting, tasks: Sequence[FolderTask], part: Sequence[int], records: Sequence[Adapted]
) -> Iterator[tuple[int, Adapted]]:
    """The records by their positions, with files named as they were named here."""
    for position, record in zip(part, records, strict=True):
        task = tasks[position]
        rows = record.predictions
        if rows is not None:
            named = zip(rows, task.query_paths, strict=True)
            rows = tuple(replace(row, image=str(path)) for row, path in named)
        yield (
            position,
            replace(record, checkpoint=str(begun.path), task=TaskName(folder=str(task.path)), predictions=rows),
        )
