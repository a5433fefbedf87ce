"""`tnas adapt`: a meta-architecture adapted to folders of images or to a data set's tasks (Algorithm 2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.task_folder import FolderTask, Invert, read_task_folder
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.methods.adapt import adapt, logits_by_step, with_way
from tnas_cli.methods.ensemble import mean_answer
from tnas_cli.methods.learner import interval
from tnas_cli.methods.zoo import SEARCH
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.recipes.tasks_of import TASKS_PER_BATCH, evaluation_batches
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.settings.few_shot import SearchSettings
from tnas_cli.spaces.decode import decidedness, decode
from tnas_cli.spaces.parameters import THETA, Parameters

Record = dict[str, Any]


def adapt_folders(
    checkpoint: Path,
    folders: Sequence[Path],
    *,
    steps: int | None = None,
    invert: Invert = "auto",
    ensemble: bool | None = None,
    every_step: bool = False,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Record]:
    """Adapt to task folders; yields an `adapted` record per folder, in their order, then the `result`.

    ensemble: whether the best validation checkpoints that the search kept beside this one answer for the query images
    together; None: if it kept several. Everything but answers and accuracies is this checkpoint's own. every_step: also
    the accuracies on support and labelled query images before each step and after the last one, of one checkpoint.

    Tasks of the same shape are adapted together. A task with another number of classes than the checkpoint's gets a
    classifier of its own (`methods.adapt.with_way`). Raises CheckpointError, and DataError before anything is
    computed if any folder cannot be used.
    """
    begin = time.monotonic()
    where = machine.start()
    meta = load_meta_architecture(checkpoint, where)
    members = _members(meta, where, ensemble, every_step)
    data = meta.data
    tasks = [
        read_task_folder(path, data["size"], data["channels"], data["mean"], data["std"], invert) for path in folders
    ]
    engine = choose_engine(machine.engine, meta.network, where, listener=listener)
    settings = _with_steps(meta.settings, steps)
    found: dict[int, Record] = {}
    for positions in _same_shape(tasks):
        alike = [tasks[position] for position in positions]
        records = _adapt_alike(engine, meta, members, settings, alike, where, every_step)
        for position, record in zip(positions, records, strict=True):
            found[position] = record
            listener(events.Progress("adapt", len(found), len(tasks), "tasks"))
    records = [found[position] for position in range(len(tasks))]
    yield from records
    yield _result(engine, meta, records, {"members": len(members)}, where, begin)


def adapt_dataset(
    checkpoint: Path,
    dataset: str,
    *,
    split: str = "test",
    tasks: int = 20,
    protocol: str | None = None,
    shot: int | None = None,
    query: int | None = None,
    steps: int | None = None,
    ensemble: bool | None = None,
    every_step: bool = False,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Iterator[Record]:
    """Adapt to the first `tasks` evaluation tasks of a data set; yields as `adapt_folders` does.

    Raises SettingsError when the data set's images do not fit the checkpoint's, CheckpointError and DataError.
    """
    begin = time.monotonic()
    where = machine.start()
    meta = load_meta_architecture(checkpoint, where)
    members = _members(meta, where, ensemble, every_step)
    if protocol is None and dataset == meta.data["dataset"]:
        protocol = meta.data["protocol"]
    cache = registry.ensure(
        dataset, protocol=protocol, root=machine.cache_root, offline=machine.offline, listener=listener
    )
    _check_same_images(meta, cache)
    way, shot, query = meta.settings.way, shot or meta.settings.shot, query or meta.settings.query
    batches = list(evaluation_batches(cache, split, way, shot, query, tasks, where))
    settings = _with_steps(meta.settings, steps)
    images = (way * shot, way * query)
    engine = choose_engine(machine.engine, meta.network, where, side=cache.size, images=images, listener=listener)
    records: list[Record] = []
    learner = SEARCH[settings.method].learner(engine, meta.network, settings)
    for batch, (adapted, logits) in zip(batches, adapt(learner, meta.parameters, batches), strict=True):
        others = [learner.logits(parameters, batch) for parameters in members[1:]]
        right = task_accuracies(mean_answer([logits, *others]), batch.query_y)
        support = batch.support_x, batch.support_y
        between = logits_by_step(learner, meta.parameters, support, support[0], batch.query_x) if every_step else []
        for position in range(len(batch)):
            about = {"dataset": cache.dataset, "protocol": cache.protocol, "split": split, "index": len(records)}
            record = _record(meta, settings, about, way, shot, adapted.support_losses[position])
            record |= _about_theta(adapted.parameters[THETA][position])
            record |= {"accuracy": float(right[position]), "query": way * query}
            if between:
                own = [logits[position] for logits in between]
                record |= _by_step(own, batch.support_y[position], batch.query_y[position], record["accuracy"])
            records.append(record)
            yield record
        listener(events.Progress("adapt", len(records), tasks, "tasks"))
    measured = {
        "dataset": cache.dataset,
        "protocol": cache.protocol,
        "fingerprint": cache.fingerprint,
        "split": split,
        "query": query,
        "members": len(members),
    }
    yield _result(engine, meta, records, measured, where, begin)


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


def _with_steps(settings: SearchSettings, steps: int | None) -> SearchSettings:
    """The search's settings, with another number of test steps where one is given."""
    if steps is not None and steps < 1:
        raise SettingsError(f"--steps is {steps}.", hint="choose at least 1")
    return settings if steps is None else settings.replace(test_steps=steps)


def _check_same_images(meta: MetaArchitecture, cache: ImageCache) -> None:
    ours, theirs = (cache.size, cache.channels), (meta.data["size"], meta.data["channels"])
    if ours != theirs:
        raise SettingsError(
            f"{cache.dataset} has {cache.channels} x {cache.size} x {cache.size} images, the checkpoint was searched "
            f"on {theirs[1]} x {theirs[0]} x {theirs[0]}.",
            hint=f"prepare {cache.dataset} with --size {theirs[0]}, or search on {cache.dataset}",
        )


def _same_shape(tasks: Sequence[FolderTask]) -> Iterator[list[int]]:
    """Positions of tasks that can be computed together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for position, task in enumerate(tasks):
        queries = 0 if task.query_x is None else len(task.query_x)
        groups.setdefault((len(task.class_names), len(task.support_y), queries), []).append(position)
    for positions in groups.values():
        for first in range(0, len(positions), TASKS_PER_BATCH):
            yield positions[first : first + TASKS_PER_BATCH]


def _adapt_alike(
    engine: Engine,
    meta: MetaArchitecture,
    members: Sequence[Parameters],
    settings: SearchSettings,
    tasks: Sequence[FolderTask],
    device: torch.device,
    every_step: bool,
) -> list[Record]:
    way = len(tasks[0].class_names)
    parameters, *others = (with_way(member, way) for member in members)
    network = replace(meta.network, way=way)
    support = (
        torch.stack([task.support_x for task in tasks]).to(device),
        torch.stack([task.support_y for task in tasks]).to(device),
    )
    learner = SEARCH[settings.method].learner(engine, network, settings)
    adapted = learner.adapt(parameters, support)
    images = [task.query_x for task in tasks if task.query_x is not None]  # of all tasks or of none
    query = [torch.stack(images).to(device)] if images else []
    logits = None
    if query:
        own = [adapted.parameters, *(learner.adapt(member, support).parameters for member in others)]
        logits = mean_answer([engine.predict(network, member, query[0]) for member in own])
    between = logits_by_step(learner, parameters, support, support[0], *query) if every_step else []
    records = []
    for position, task in enumerate(tasks):
        if not bool(torch.isfinite(adapted.support_losses[position]).all()):
            raise DataError(
                f"adapting to {task.path} gave a loss that is not a number.",
                hint="look at the images of that task, or adapt with fewer --steps",
            )
        counts = torch.bincount(task.support_y, minlength=way).tolist()
        shot = counts[0] if len(set(counts)) == 1 else counts
        record = _record(meta, settings, {"folder": str(task.path)}, way, shot, adapted.support_losses[position])
        record |= _about_theta(adapted.parameters[THETA][position])
        record |= {"classes": task.class_names, "accuracy": None, "query": len(task.query_paths)}
        if logits is not None:
            record |= _predictions(task, logits[position].softmax(-1).cpu())
        if between:
            steps = [logits[position].cpu() for logits in between]
            record |= _by_step(steps, task.support_y, task.query_y, record["accuracy"])
        records.append(record)
    return records


def _by_step(logits: Sequence[Tensor], support_y: Tensor, query_y: Tensor | None, accuracy: float | None) -> Record:
    """One task's accuracies from its logits [steps + 1, N, way] for support and, where there are any, query images.

    The last one on the query images is the task's `accuracy`: rounding must not make two numbers of it.
    """

    def shares(of: Tensor, labels: Tensor) -> list[float | None]:
        return [*(of.argmax(-1) == labels).double().mean(1).tolist()]

    record: Record = {"support_accuracies": shares(logits[0], support_y)}
    if query_y is not None:
        record["query_accuracies"] = [*shares(logits[1], query_y)[:-1], accuracy]
    return record


def _predictions(task: FolderTask, probabilities: Tensor) -> Record:
    """Class and probability of every query image; the accuracy where they are labelled. probabilities [Q, way]."""
    best, labels = probabilities.max(-1), task.query_y
    rows = []
    for position, path in enumerate(task.query_paths):
        row: Record = {
            "image": str(path),
            "class": task.class_names[int(best.indices[position])],
            "probability": float(best.values[position]),
        }
        if labels is not None:
            row["label"] = task.class_names[int(labels[position])]
        rows.append(row)
    accuracy = None if labels is None else float((best.indices == labels).double().mean())
    return {"predictions": rows, "accuracy": accuracy}


def _record(
    meta: MetaArchitecture, settings: SearchSettings, task: Record, way: int, shot: int | list[int], losses: Tensor
) -> Record:
    beta = 0.0 if settings.method == "auto-maml" else settings.beta_inner
    return {
        "event": "adapted",
        "version": 1,
        "task": task,
        "checkpoint": str(meta.path),
        "run": meta.run,
        "method": meta.settings.method,
        "seed": meta.settings.seed,
        "data": meta.data,
        "way": way,
        "shot": shot,
        "channels": meta.network.channels,
        "search_tasks": meta.tasks_done,
        "inner": {"alpha": settings.alpha_inner, "beta": beta, "steps": settings.test_steps},
        "support_losses": losses.tolist(),
    }


def _about_theta(theta: Tensor) -> Record:
    return {
        "theta": theta.tolist(),
        "theta_mean_largest_probability": float(decidedness(theta)),
        **decode(theta).without_weights,
    }


def _result(
    engine: Engine,
    meta: MetaArchitecture,
    records: Sequence[Record],
    measured: Record,
    device: torch.device,
    begin: float,
) -> Record:
    """The `result`: a measurement where all query images are labelled."""
    right = torch.tensor([record["accuracy"] for record in records if record["accuracy"] is not None])
    complete = bool(records) and len(right) == len(records)
    return {
        "event": "result",
        "version": 1,
        "command": "adapt",
        "network": "search network adapted",
        "run": meta.run,
        "method": meta.settings.method,
        "way": meta.settings.way,
        "shot": meta.settings.shot,
        **measured,
        "tasks": len(records),
        "mean": float(right.double().mean()) if complete else None,
        "interval": interval(right) if complete else None,
        "transductive": True,
        "weights": "inherited",
        "seed": meta.settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "budget": {"search_tasks": meta.tasks_done},
        "engine": engine.name,
        **environment(device),
    }
