"""What `tnas adapt` says of each task, and of all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.task_folder import FolderTask, Invert
from tnas_cli.errors import DataError
from tnas_cli.methods.learner import interval
from tnas_cli.methods.registry import search_method, title_of
from tnas_cli.recipes.meta_architecture import MetaArchitecture, preparation_of
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import Amount, Budget, Inner, Prediction, Preparation, TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs.device import environment
from tnas_cli.settings.features import INNER_THETA
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.decode import decidedness


def adapted(
    meta: MetaArchitecture,
    settings: SearchSettings,
    task: TaskName,
    way: int,
    shot: int | tuple[int, ...],
    theta: Tensor,
    losses: Tensor,
) -> Adapted:
    """The record of one task, without what its query images say. theta [2, edges, operations], losses [steps + 1]."""
    moves_theta = INNER_THETA in search_method(settings.method).about.reads
    beta = settings.beta_inner if moves_theta else 0.0
    kinds = meta.network.space.decode(theta).without_weights
    return Adapted(
        task=task,
        checkpoint=str(meta.path),
        run=meta.run,
        method=meta.settings.method,
        seed=meta.settings.seed,
        data=meta.data,
        way=way,
        shot=shot,
        channels=meta.network.channels,
        search_tasks=meta.tasks_done,
        inner=Inner(alpha=settings.alpha_inner, beta=beta, steps=settings.test_steps),
        support_losses=tuple(losses.tolist()),
        theta=tuple(tuple(map(tuple, cell)) for cell in theta.tolist()),
        theta_mean_largest_probability=float(decidedness(theta)),
        skip_connections=kinds["skip_connections"],
        pools=kinds["pools"],
        accuracy=None,
        query=None,
        transductive=True,
        space=meta.settings.space,
    )


def adapted_to_folder(
    meta: MetaArchitecture, settings: SearchSettings, task: FolderTask, theta: Tensor, losses: Tensor, invert: Invert
) -> Adapted:
    """The record of a task folder, without predictions; raises DataError where a loss is no number."""
    if not bool(torch.isfinite(losses).all()):
        raise DataError(
            f"adapting to {task.path} gave a loss that is not a number.",
            hint="look at the images of that task, or adapt with fewer --steps",
        )
    way = len(task.class_names)
    counts = tuple(torch.bincount(task.support_y, minlength=way).tolist())
    shot = counts[0] if len(set(counts)) == 1 else counts
    record = adapted(meta, settings, TaskName(folder=str(task.path)), way, shot, theta, losses)
    preparation = Preparation(
        size=meta.size,
        channels=meta.data.channels,
        mean=meta.data.mean,
        std=meta.data.std,
        resize="fit",
        invert=invert,
        inverted=task.inverted,
    )
    return replace(record, classes=tuple(task.class_names), query=len(task.query_paths), preparation=preparation)


def with_predictions(record: Adapted, task: FolderTask, probabilities: Tensor) -> Adapted:
    """With class and probability of every query image; the accuracy where they are labelled. probabilities [Q, way]."""
    best, labels = probabilities.max(-1), task.query_y
    rows = [
        Prediction(
            image=str(path),
            class_=task.class_names[int(best.indices[position])],
            probability=float(best.values[position]),
            label=None if labels is None else task.class_names[int(labels[position])],
        )
        for position, path in enumerate(task.query_paths)
    ]
    accuracy = None if labels is None else float((best.indices == labels).double().mean())
    return replace(record, predictions=tuple(rows), accuracy=accuracy)


def with_steps(record: Adapted, logits: Sequence[Tensor], support_y: Tensor, query_y: Tensor | None) -> Adapted:
    """With the accuracies by step, from logits [steps + 1, N, way] for support and, where there are any, query images.

    The last one on the query images is the task's `accuracy`: rounding must not make two numbers of it.
    """

    def shares(of: Tensor, labels: Tensor) -> tuple[float, ...]:
        return tuple((of.argmax(-1) == labels).double().mean(1).tolist())

    record = replace(record, support_accuracies=shares(logits[0], support_y))
    if query_y is None or record.accuracy is None:
        return record
    return replace(record, query_accuracies=(*shares(logits[1], query_y)[:-1], record.accuracy))


def result_of_folders(
    meta: MetaArchitecture,
    records: Sequence[Adapted],
    engine: Engine,
    device: torch.device,
    members: int,
    began: float,
) -> AdaptResult:
    """The result; a measurement where all query images are labelled."""
    right = torch.tensor([record.accuracy for record in records if record.accuracy is not None])
    complete = bool(records) and len(right) == len(records)
    return AdaptResult(
        run=meta.run,
        method=meta.settings.method,
        title=title_of(meta.settings.method),
        network="search network adapted",
        space=meta.settings.space,
        dataset=None,
        protocol=None,
        fingerprint=None,
        split=None,
        way=meta.settings.way,
        shot=meta.settings.shot,
        query=None,
        tasks=len(records),
        mean=float(right.double().mean()) if complete else None,
        interval=interval(right) if complete else None,
        transductive=True,
        weights="inherited",
        members=members,
        seed=meta.settings.seed,
        wall_seconds=time.monotonic() - began,
        budget=Budget(search=Amount(amount=meta.tasks_done, unit="tasks")),
        preparation=records[0].preparation if records else None,
        engine=engine.name,
        environment=environment(device),
    )


def result_of_dataset(
    meta: MetaArchitecture,
    records: Sequence[Adapted],
    engine: Engine,
    device: torch.device,
    members: int,
    began: float,
    cache: ImageCache,
    split: str,
    query: int,
) -> AdaptResult:
    """The same for tasks of a data set."""
    result = result_of_folders(meta, records, engine, device, members, began)
    return replace(
        result,
        dataset=cache.dataset,
        protocol=cache.protocol,
        fingerprint=cache.fingerprint,
        split=split,
        query=query,
        preparation=preparation_of(cache),
    )
