"""`tnas adapt`: what was learned, fitted to folders of images (Algorithm 2); `adapt_dataset.py` is for a data set."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.own_images import Invert
from tnas_cli.episodes.task_folder import FolderTask, read_task_folder
from tnas_cli.errors import DataError, SettingsError, TnasError, reasons
from tnas_cli.methods.adapt import logits_by_step
from tnas_cli.methods.calibration import Measure
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.divergence import naming
from tnas_cli.methods.ensemble import Together, fit_all
from tnas_cli.methods.learner import Labelled, SteppingLearner
from tnas_cli.methods.streams import TASKS_PER_BATCH
from tnas_cli.recipes import adapt_records, kept_model
from tnas_cli.recipes.balance import doubts
from tnas_cli.recipes.beside import Beside, load_beside
from tnas_cli.recipes.calibrate import expected
from tnas_cli.recipes.learned import Learned, load_learned
from tnas_cli.recipes.units import set_aside
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs import events, shipped
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.endings import CHECKPOINTS, ending_of
from tnas_cli.runs.files import check_can_write
from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class Asked:
    """How to adapt.

    steps: inner steps, None for those of the checkpoint. ensemble: whether the best validation checkpoints that were
    kept beside this one answer for the query images together; None: if several were kept. Everything but answers and
    accuracies is this checkpoint's own. every_step: also the accuracies on support and labelled query images before
    each step and after the last one, of one checkpoint. transductive: the images of a task folder are answered all
    together, as in the publications, instead of each by itself; tasks of a data set are always answered both ways.
    classifier: what answers for single images; None: what was best on validation tasks.
    reject: answers for the images of a task folder are unsure below this probability. beside: a frozen network of
    torchvision that answers for the images of task folders too, as `beside.load_beside` reads it.
    """

    steps: int | None = None
    ensemble: bool | None = None
    every_step: bool = False
    transductive: bool = False
    reject: float = 0.0
    beside: str | None = None
    classifier: Classifier | None = None


DIVERGED = "adapt with fewer --steps, or search or train with lower inner rates"

#: As the checkpoint was learned; an answer depends on the support set and the image alone.
AS_LEARNED = Asked()


@dataclass(frozen=True)
class Adapting:
    """A checkpoint that is ready to be adapted, and the ones that answer with it. `measures` collect the answers to
    labelled query images, transductive and inductive."""

    path: Path
    learned: Learned
    members: Sequence[Parameters]
    asked: Asked
    device: torch.device
    began: float
    measures: tuple[Measure, Measure]
    beside: Beside | None


def adapt_folders(
    checkpoint: Path,
    folders: Sequence[Path],
    asked: Asked = AS_LEARNED,
    *,
    invert: Invert = "auto",
    keep_duplicates: bool = False,
    save: Path | None = None,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Adapted | AdaptResult]:
    """Adapt to task folders; yields a record per folder, in their order, each as soon as it is known, then the result.

    Tasks of the same shape are adapted together. A task with another number of classes than the checkpoint's gets a
    classifier of its own (`methods.adapt.with_way`). A support image that is in its class already is left out, unless
    `keep_duplicates`. `save`: the file that keeps the adapted model of one folder.
    A folder that cannot be used has no record, and the result names it; raises DataError if none can be used,
    CheckpointError, and SettingsError for what cannot be saved.
    """
    if save is not None:
        _check_save(save, folders, asked)
    begun = begin(checkpoint, asked, machine)
    tasks, bad = read_folders(begun, folders, invert, keep_duplicates=keep_duplicates, listener=listener)
    # A model that is kept answers later by the same engine.
    engine = (
        engine_for_folders(begun, tasks, machine, listener) if save is None else engine_for(begun, machine, listener)
    )
    found: dict[int, Adapted] = {}
    shown: list[Adapted] = []
    for positions in same_shape(tasks):
        alike = [tasks[position] for position in positions]
        fitted, records = adapt_alike(begun, engine, alike, invert)
        found |= zip(positions, records, strict=True)
        if save is not None:
            preparation = adapt_records.preparation_of_folder(begun.learned, alike[0], invert)
            kept_model.save(save, begun.learned, fitted, alike[0], preparation)
        listener(events.Progress("adapt", len(found), len(tasks), "tasks"))
        while len(shown) in found:
            shown.append(found[len(shown)])
            yield shown[-1]
    yield replace(adapt_records.result_of_folders(begun, shown, engine), set_aside=set_aside(bad))


def read_folders(
    begun: Adapting, folders: Sequence[Path], invert: Invert, *, keep_duplicates: bool, listener: events.Listener
) -> tuple[list[FolderTask], dict[str, TnasError]]:
    """The tasks of these folders, and why others cannot be used; raises DataError if none can."""
    images = begun.learned.images(invert)
    tasks: list[FolderTask] = []
    bad: dict[str, TnasError] = {}
    for path in folders:
        try:
            tasks.append(read_task_folder(path, images, keep_duplicates=keep_duplicates))
        except DataError as error:
            if len(folders) == 1:
                raise
            bad[str(path)] = error
            listener(events.Note(f"warning: {path} is left out: {error.message}"))
    if bad and not tasks:
        errors = list(bad.values())
        why = reasons([error.message for error in errors])
        raise DataError(f"none of the {len(folders)} task folders can be used: {why}", hint=errors[0].hint)
    if begun.asked.transductive:
        for task in tasks:
            for words in doubts(task):
                listener(events.Note(f"warning: {task.path}: {words}"))
    return tasks, bad


def adapt_alike(
    begun: Adapting, engine: Engine, alike: Sequence[FolderTask], invert: Invert
) -> tuple[Together, list[Adapted]]:
    """Adapt to tasks of the same shape; returns what was fitted, and their records. Raises DivergedError."""
    with naming(lambda position: str(alike[position].path), DIVERGED):
        fitted = fit_folders(begun, engine, _support_of(alike, begun.device), len(alike[0].class_names))
    return fitted, _records_of(begun, engine, fitted, alike, invert)


def begin(checkpoint: Path, asked: Asked, machine: Machine) -> Adapting:
    """Read a checkpoint and the ones that answer with it; raises CheckpointError and SettingsError."""
    began, device = time.monotonic(), machine.start()
    expected(None, asked.reject)  # what is no probability is refused now
    learned, parameters = load_learned(checkpoint, device)
    learned = learned.with_steps(asked.steps).with_classifier(asked.classifier)
    if asked.every_step and learned.inner is None:
        raise SettingsError(f"{learned.method} takes no inner steps.", hint="leave --every-step out")
    members = _members(checkpoint, learned, parameters, asked, device)
    measures = Measure(), Measure(learned.temperature)
    beside = None if asked.beside is None else load_beside(asked.beside)
    return Adapting(checkpoint, learned, members, asked, device, began, measures, beside)


def engine_for(
    begun: Adapting,
    machine: Machine,
    listener: events.Listener,
    images: Sequence[int] | None = None,
    in_all: int | None = None,
) -> Engine:
    """The engine that computes the tasks; `images`: the numbers of them that will come, and how many there are in all
    tasks together, where that is known."""
    learned = begun.learned
    name = machine.engine if learned.by_engine else "torch"
    side = None if images is None else learned.size
    network = learned.network(learned.settings.way)
    pixels = None if in_all is None else in_all * learned.size**2
    device, images = begun.device, images or ()
    return choose_engine(name, network, device, side=side, images=images, pixels=pixels, listener=listener)


def engine_for_folders(
    begun: Adapting, tasks: Sequence[FolderTask], machine: Machine, listener: events.Listener
) -> Engine:
    """The engine that computes the tasks of these folders."""
    in_all = sum(len(task.support_x) + len(task.query_paths) for task in tasks)
    return engine_for(begun, machine, listener, sorted({len(task.support_x) for task in tasks}), in_all)


def fit_folders(begun: Adapting, engine: Engine, support: Labelled, way: int) -> Together:
    """The checkpoint and its fellow members, fitted to tasks of so many classes; raises DivergedError."""
    network = begun.learned.network(way)
    members = [begun.learned.for_way(member, network) for member in begun.members]
    return fit_all(begun.learned.learner(engine, network), members, support).by(begun.learned.classifier)


def _members(
    path: Path, learned: Learned, parameters: Parameters, asked: Asked, device: torch.device
) -> list[Parameters]:
    """The meta-parameters that answer together: the checkpoint's own first, then those of the other ones kept.

    Unless an ensemble is asked for, a checkpoint that is not one of those kept answers alone. Raises SettingsError
    where one is asked for and there is none, or is to be looked at step by step.
    """
    if asked.ensemble and asked.every_step:
        raise SettingsError("--every-step looks at one checkpoint.", hint="leave --ensemble out")
    wanted = asked.ensemble if asked.ensemble is not None else not asked.every_step
    beside = sorted(shipped.located(path).parent.glob("top-*.pt"))
    kept = [load_learned(other, device) for other in beside if wanted]
    if asked.ensemble and not kept:
        raise SettingsError(
            f"no checkpoints top-*.pt are kept beside {path}.",
            hint="search with --ensemble 5, or --method t-nas++",
        )
    others = [theirs for other, theirs in kept if other.tasks_done != learned.tasks_done]
    return [parameters, *others] if asked.ensemble or len(others) < len(kept) else [parameters]


def same_shape(tasks: Sequence[FolderTask]) -> Iterator[list[int]]:
    """Positions of tasks that can be computed together, in such an order that records wait little for their turn."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        queries = 0 if task.query_x is None else len(task.query_x)
        groups.setdefault((len(task.class_names), len(task.support_y), queries), []).append(position)
    parts = [
        positions[first : first + TASKS_PER_BATCH]
        for positions in groups.values()
        for first in range(0, len(positions), TASKS_PER_BATCH)
    ]
    yield from sorted(parts)


def _check_save(save: Path, folders: Sequence[Path], asked: Asked) -> None:
    """Raises SettingsError for what one file cannot keep."""
    ending_of(save, CHECKPOINTS, "--save")
    if len(folders) != 1:
        raise SettingsError(f"--save keeps one model, and {len(folders)} tasks are given.", hint="save each on its own")
    if asked.transductive:
        raise SettingsError(
            "a saved model answers each image by itself, and --transductive all together.", hint="leave one of them out"
        )
    check_can_write(save)


def _support_of(tasks: Sequence[FolderTask], device: torch.device) -> Labelled:
    """Support images [T, S, C, H, W] and labels [T, S] of tasks of the same shape."""
    images, labels = [task.support_x for task in tasks], [task.support_y for task in tasks]
    return torch.stack(images).to(device), torch.stack(labels).to(device)


def _records_of(
    begun: Adapting, engine: Engine, fitted: Together, tasks: Sequence[FolderTask], invert: Invert
) -> list[Adapted]:
    """Records of tasks of the same shape."""
    device, way, transductive = begun.device, len(tasks[0].class_names), begun.asked.transductive
    images = [task.query_x for task in tasks if task.query_x is not None]  # of all tasks or of none
    query = [torch.stack(images).to(device)] if images else []
    support = _support_of(tasks, device)
    temperature = 1.0 if transductive else begun.learned.temperature
    logits = [(fitted.transductive(x) if transductive else fitted.inductive(x)) / temperature for x in query]
    between = by_step(begun, engine, support, way, query, transductive=transductive)
    records = []
    for position, task in enumerate(tasks):
        record = adapt_records.adapted_to_folder(begun, fitted, position, task, invert)
        for answered in logits:
            probabilities = answered[position].softmax(-1).cpu()
            record = adapt_records.with_predictions(record, task, probabilities, begun.asked.reject)
            record = adapt_records.with_others(record, task, begun.beside)
            if task.query_y is not None:
                begun.measures[0 if transductive else 1].add_probabilities(probabilities, task.query_y)
        if between:
            steps = [one[position].cpu() for one in between]
            record = adapt_records.with_steps(record, steps, task.support_y, task.query_y)
        records.append(record)
    return records


def by_step(
    begun: Adapting, engine: Engine, support: Labelled, way: int, query: Sequence[Tensor], *, transductive: bool
) -> list[Tensor]:
    """Where it is asked for, logits [T, steps + 1, N, way] for the support images and for the query images.

    Support images are answered together in both ways: their own moments are those of the support set.
    """
    if not begun.asked.every_step:
        return []
    network = begun.learned.network(way)
    learner, parameters = begun.learned.learner(engine, network), begun.learned.for_way(begun.members[0], network)
    if not isinstance(learner, SteppingLearner):
        raise SettingsError(f"{begun.learned.method} cannot be looked at by step.", hint="leave --every-step out")
    how: dict[str, Any] = {"transductive": transductive, "classifier": begun.learned.classifier}
    return logits_by_step(learner, parameters, support, support[0], *query, **how)
