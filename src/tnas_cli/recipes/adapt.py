"""`tnas adapt`: a meta-architecture adapted to folders of images or to a data set's tasks (Algorithm 2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.task_folder import FolderTask, Invert, read_task_folder
from tnas_cli.errors import SettingsError
from tnas_cli.methods.adapt import adapt, logits_by_step, with_way
from tnas_cli.methods.ensemble import mean_answer
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.streams import TASKS_PER_BATCH, evaluation_batches
from tnas_cli.recipes import adapt_records
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture, preparation_of
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA, Parameters


@dataclass(frozen=True)
class Asked:
    """How to adapt.

    steps: inner steps, None for the search's. ensemble: whether the best validation checkpoints that the search kept
    beside this one answer for the query images together; None: if it kept several. Everything but answers and
    accuracies is this checkpoint's own. every_step: also the accuracies on support and labelled query images before
    each step and after the last one, of one checkpoint.
    """

    steps: int | None = None
    ensemble: bool | None = None
    every_step: bool = False


#: By the steps and the checkpoints of the search.
AS_SEARCHED = Asked()


@dataclass(frozen=True)
class _Adapting:
    """A checkpoint that is ready to be adapted, and the ones that answer with it."""

    meta: MetaArchitecture
    members: Sequence[Parameters]
    settings: SearchSettings
    every_step: bool
    device: torch.device
    began: float


def adapt_folders(
    checkpoint: Path,
    folders: Sequence[Path],
    asked: Asked = AS_SEARCHED,
    *,
    invert: Invert = "auto",
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """Adapt to task folders; yields a record per folder, in their order, each as soon as it is known, then the result.

    Tasks of the same shape are adapted together. A task with another number of classes than the checkpoint's gets a
    classifier of its own (`methods.adapt.with_way`). Raises CheckpointError, and DataError before anything is
    computed if any folder cannot be used.
    """
    begun = _begin(checkpoint, asked, machine)
    data, size = begun.meta.data, begun.meta.size
    tasks = [read_task_folder(path, size, data.channels, data.mean, data.std, invert) for path in folders]
    engine = choose_engine(machine.engine, begun.meta.network, begun.device, listener=listener)
    found: dict[int, Adapted] = {}
    shown: list[Adapted] = []
    for positions in _same_shape(tasks):
        alike = [tasks[position] for position in positions]
        found |= zip(positions, _adapt_alike(begun, engine, alike, invert), strict=True)
        listener(events.Progress("adapt", len(found), len(tasks), "tasks"))
        while len(shown) in found:
            shown.append(found[len(shown)])
            yield shown[-1]
    yield adapt_records.result_of_folders(begun.meta, shown, engine, begun.device, len(begun.members), begun.began)


def adapt_dataset(
    checkpoint: Path,
    dataset: str,
    asked: Asked = AS_SEARCHED,
    *,
    split: str = "test",
    tasks: int = 20,
    protocol: str | None = None,
    shot: int | None = None,
    query: int | None = None,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """Adapt to the first `tasks` evaluation tasks of a data set; yields as `adapt_folders` does.

    Raises SettingsError when the data set's images do not fit the checkpoint's, CheckpointError and DataError.
    """
    begun = _begin(checkpoint, asked, machine)
    meta = begun.meta
    if protocol is None and dataset == meta.data.dataset:
        protocol = meta.data.protocol
    cache = registry.ensure(
        dataset, protocol=protocol, root=machine.cache_root, offline=machine.offline, listener=listener
    )
    _check_same_images(meta, cache)
    way, shot, query = meta.settings.way, shot or meta.settings.shot, query or meta.settings.query
    images = (way * shot, way * query)
    engine = choose_engine(
        machine.engine, meta.network, begun.device, side=cache.size, images=images, listener=listener
    )
    records: list[Adapted] = []
    for record in _adapt_batches(begun, engine, cache, split, shot, query, tasks):
        records.append(record)
        yield record
        if len(records) % TASKS_PER_BATCH == 0 or len(records) == tasks:
            listener(events.Progress("adapt", len(records), tasks, "tasks"))
    yield adapt_records.result_of_dataset(
        meta, records, engine, begun.device, len(begun.members), begun.began, cache, split, query
    )


def _begin(checkpoint: Path, asked: Asked, machine: Machine) -> _Adapting:
    began, device = time.monotonic(), machine.start()
    if asked.steps is not None and asked.steps < 1:
        raise SettingsError(f"--steps is {asked.steps}.", hint="choose at least 1")
    meta = load_meta_architecture(checkpoint, device)
    members = _members(meta, device, asked.ensemble, asked.every_step)
    settings = meta.settings if asked.steps is None else meta.settings.replace(test_steps=asked.steps)
    return _Adapting(meta, members, settings, asked.every_step, device, began)


def _members(meta: MetaArchitecture, device: torch.device, ensemble: bool | None, every_step: bool) -> list[Parameters]:
    """The meta-parameters that answer together: the checkpoint's own first, then those of the other ones kept.

    Unless an ensemble is asked for, a checkpoint that is not one of those kept answers alone. Raises SettingsError
    where one is asked for and there is none, or is to be looked at step by step.
    """
    if ensemble and every_step:
        raise SettingsError("--every-step looks at one checkpoint.", hint="leave --ensemble out")
    wanted = ensemble if ensemble is not None else not every_step
    kept = [load_meta_architecture(path, device) for path in sorted(meta.path.parent.glob("top-*.pt")) if wanted]
    if ensemble and not kept:
        raise SettingsError(
            f"no checkpoints top-*.pt are kept beside {meta.path}.",
            hint="search with --ensemble 5, or --method t-nas++",
        )
    others = [other.parameters for other in kept if other.tasks_done != meta.tasks_done]
    return [meta.parameters, *others] if ensemble or len(others) < len(kept) else [meta.parameters]


def _check_same_images(meta: MetaArchitecture, cache: ImageCache) -> None:
    ours, theirs = (cache.size, cache.channels), (meta.size, meta.data.channels)
    if ours != theirs:
        raise SettingsError(
            f"{cache.dataset} has {cache.channels} x {cache.size} x {cache.size} images, the checkpoint was searched "
            f"on {theirs[1]} x {theirs[0]} x {theirs[0]}.",
            hint=f"prepare {cache.dataset} with --size {theirs[0]}, or search on {cache.dataset}",
        )


def _adapt_batches(
    begun: _Adapting, engine: Engine, cache: ImageCache, split: str, shot: int, query: int, tasks: int
) -> Iterator[Adapted]:
    """A record for each of a data set's first tasks."""
    meta, way = begun.meta, begun.meta.settings.way
    learner = search_method(begun.settings.method).learner(engine, meta.network, begun.settings)
    batches = list(evaluation_batches(cache, split, way, shot, query, tasks, begun.device))
    preparation, index = preparation_of(cache), 0
    for batch, (adapted, logits) in zip(batches, adapt(learner, meta.parameters, batches), strict=True):
        others = [learner.logits(parameters, batch) for parameters in begun.members[1:]]
        right = task_accuracies(mean_answer([logits, *others]), batch.query_y)
        support = batch.support_x, batch.support_y
        between = (
            logits_by_step(learner, meta.parameters, support, support[0], batch.query_x) if begun.every_step else []
        )
        for position in range(len(batch)):
            task = TaskName(dataset=cache.dataset, protocol=cache.protocol, split=split, index=index)
            theta, losses = adapted.parameters[THETA][position], adapted.support_losses[position]
            record = adapt_records.adapted(meta, begun.settings, task, way, shot, theta, losses)
            record = replace(
                record,
                accuracy=float(right[position]),
                query=way * query,
                members=len(begun.members),
                preparation=preparation,
            )
            if between:
                own = [logits[position] for logits in between]
                record = adapt_records.with_steps(record, own, batch.support_y[position], batch.query_y[position])
            yield record
            index += 1


def _same_shape(tasks: Sequence[FolderTask]) -> Iterator[list[int]]:
    """Positions of tasks that can be computed together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        queries = 0 if task.query_x is None else len(task.query_x)
        groups.setdefault((len(task.class_names), len(task.support_y), queries), []).append(position)
    for positions in groups.values():
        for first in range(0, len(positions), TASKS_PER_BATCH):
            yield positions[first : first + TASKS_PER_BATCH]


def _adapt_alike(begun: _Adapting, engine: Engine, tasks: Sequence[FolderTask], invert: Invert) -> list[Adapted]:
    """Records of tasks of the same shape."""
    meta, device, way = begun.meta, begun.device, len(tasks[0].class_names)
    parameters, *others = (with_way(member, way) for member in begun.members)
    was = meta.network
    network = was.space.search_network(way, was.in_channels, was.channels, was.nodes)
    support = (
        torch.stack([task.support_x for task in tasks]).to(device),
        torch.stack([task.support_y for task in tasks]).to(device),
    )
    learner = search_method(begun.settings.method).learner(engine, network, begun.settings)
    adapted = learner.adapt(parameters, support)
    images = [task.query_x for task in tasks if task.query_x is not None]  # of all tasks or of none
    query = [torch.stack(images).to(device)] if images else []
    logits = None
    if query:
        own = [adapted.parameters, *(learner.adapt(member, support).parameters for member in others)]
        logits = mean_answer([engine.predict(network, member, query[0]) for member in own])
    between = logits_by_step(learner, parameters, support, support[0], *query) if begun.every_step else []
    records = []
    for position, task in enumerate(tasks):
        losses, theta = adapted.support_losses[position], adapted.parameters[THETA][position]
        record = adapt_records.adapted_to_folder(meta, begun.settings, task, theta, losses, invert)
        record = replace(record, members=len(begun.members))
        if logits is not None:
            record = adapt_records.with_predictions(record, task, logits[position].softmax(-1).cpu())
        if between:
            steps = [logits[position].cpu() for logits in between]
            record = adapt_records.with_steps(record, steps, task.support_y, task.query_y)
        records.append(record)
    return records
