"""What `tnas adapt` says of each task, and of all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.own_images import Invert
from tnas_cli.episodes.task_folder import FolderTask
from tnas_cli.methods.ensemble import Together
from tnas_cli.methods.learner import FittedNetwork, interval
from tnas_cli.methods.nearest_neighbour import nearest_classes
from tnas_cli.methods.registry import title_of
from tnas_cli.recipes.beside import Beside
from tnas_cli.recipes.calibrate import expected
from tnas_cli.recipes.learned import Learned
from tnas_cli.recipes.meta_architecture import preparation_of, told
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import Accuracy, Amount, Budget, OtherAnswers, Prediction, Preparation, TaskName
from tnas_cli.records.results import AdaptResult
from tnas_cli.runs.checkpoint import META_ARCHITECTURE
from tnas_cli.runs.device import environment
from tnas_cli.spaces.decode import decidedness
from tnas_cli.spaces.parameters import THETA

if TYPE_CHECKING:
    from tnas_cli.recipes.adapt import Adapting


def adapted(begun: Adapting, fitted: Together, position: int, **of_the_task: Any) -> Adapted:
    """The record of the task at a position of a batch, with what is known of the task beside its adaptation."""
    learned, members = begun.learned, len(begun.members)
    return Adapted(
        checkpoint=str(begun.path),
        run=learned.run,
        method=learned.method,
        training=learned.training,
        network=None if learned.kind == META_ARCHITECTURE else learned.network_name,
        seed=learned.settings.seed,
        data=learned.data,
        channels=learned.channels,
        search_tasks=learned.tasks_done if learned.searched else None,
        inner=learned.inner,
        classifier=None if learned.inner is None else learned.classifier,
        members=members,
        space=learned.space,
        **_of_the_adaptation(learned, fitted, position),
        **of_the_task,
    )


def _of_the_adaptation(learned: Learned, fitted: Together, position: int) -> dict[str, Any]:
    """Losses on the support set and theta, as far as the method has them."""
    first = fitted.members[0]
    losses = first.support_losses if isinstance(first, FittedNetwork) else None
    found: dict[str, Any] = dict.fromkeys(("theta", "theta_mean_largest_probability", "skip_connections", "pools")) | {
        "support_losses": () if losses is None else tuple(losses[position].tolist())
    }
    if not learned.searched:
        return found
    theta = first.own[THETA][position]
    return found | {
        "theta": tuple(tuple(map(tuple, cell)) for cell in theta.tolist()),
        "theta_mean_largest_probability": float(decidedness(theta)),
        **learned.decode(theta).without_weights,
    }


def adapted_to_folder(begun: Adapting, fitted: Together, position: int, task: FolderTask, invert: Invert) -> Adapted:
    """The record of a task folder, without predictions."""
    counts = task.shots
    return adapted(
        begun,
        fitted,
        position,
        task=TaskName(folder=str(task.path)),
        way=len(task.class_names),
        shot=counts[0] if len(set(counts)) == 1 else counts,
        query=len(task.query_paths),
        classes=tuple(task.class_names),
        accuracy=None,
        transductive=begun.asked.transductive,
        preparation=preparation_of_folder(begun.learned, task, invert),
    )


def preparation_of_folder(learned: Learned, task: FolderTask, invert: Invert) -> Preparation:
    """How the images of a task folder became what the network saw."""
    data = learned.data
    return Preparation(
        size=learned.size,
        channels=data.channels,
        mean=data.mean,
        std=data.std,
        resize="fit",
        invert=invert,
        inverted=task.inverted,
        bright_ground=data.bright_ground,
        account=told(task.account),
    )


def with_predictions(record: Adapted, task: FolderTask, probabilities: Tensor, reject: float) -> Adapted:
    """With class and probability of every query image; the accuracy where they are labelled. probabilities [Q, way].

    An answer below the probability `reject` is unsure; the accuracy counts its class nevertheless.
    """
    best, labels = probabilities.max(-1), task.query_y
    rows = [
        Prediction(
            image=str(path),
            class_=task.class_names[int(best.indices[position])],
            probability=float(best.values[position]),
            label=None if labels is None else task.class_names[int(labels[position])],
            unsure=float(best.values[position]) < reject,
        )
        for position, path in enumerate(task.query_paths)
    ]
    accuracy = None if labels is None else float((best.indices == labels).double().mean())
    return replace(record, predictions=tuple(rows), accuracy=accuracy)


def with_others(record: Adapted, task: FolderTask, beside: Beside | None) -> Adapted:
    """With what the nearest neighbour in pixels, and a frozen network where there is one, say of the query images."""
    if task.query_x is None or record.predictions is None:
        return record
    if beside is not None:
        classes = [task.class_names[label] for label in beside.answers(task)]
        rows = [replace(row, beside=name) for row, name in zip(record.predictions, classes, strict=True)]
        record = replace(record, predictions=tuple(rows))
    if task.query_y is None:
        return record
    near = nearest_classes((task.support_x.unsqueeze(0), task.support_y.unsqueeze(0)), task.query_x.unsqueeze(0))[0]
    right = [row.beside == row.label for row in record.predictions or ()]
    return replace(
        record,
        nearest_neighbour=float((near == task.query_y).double().mean()),
        beside_accuracy=None if beside is None else sum(right) / len(right),
    )


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


def result_of_folders(begun: Adapting, records: Sequence[Adapted], engine: Engine) -> AdaptResult:
    """The result; a measurement where all query images are labelled."""
    learned, done = begun.learned, Amount(amount=begun.learned.tasks_done, unit="tasks")
    mean = _mean([record.accuracy for record in records])
    return AdaptResult(
        run=learned.run,
        method=learned.method,
        title=title_of(learned.method),
        training=learned.training,
        head=learned.head,
        network=learned.network_name,
        space=learned.space,
        dataset=None,
        protocol=None,
        fingerprint=None,
        split=None,
        way=learned.settings.way,
        shot=learned.settings.shot,
        query=None,
        tasks=len(records),
        mean=mean.mean if mean else None,
        interval=mean.interval if mean else None,
        ece=begun.measures[0 if begun.asked.transductive else 1].bins.error if mean else None,
        transductive=begun.asked.transductive,
        weights=learned.weights,
        classifier=None if learned.inner is None else learned.classifier,
        members=len(begun.members),
        reject=begun.asked.reject or None,
        expected=expected(learned.calibration, begun.asked.reject) if begun.asked.reject else None,
        others=_others(begun, records),
        seed=learned.settings.seed,
        wall_seconds=time.monotonic() - begun.began,
        budget=Budget(search=done) if learned.searched else Budget(training=done),
        preparation=records[0].preparation if records else None,
        engine=engine.name if learned.by_engine else None,
        environment=environment(begun.device),
    )


def result_of_dataset(
    begun: Adapting, records: Sequence[Adapted], engine: Engine, cache: ImageCache, split: str, query: int
) -> AdaptResult:
    """The same for tasks of a data set, which are answered both ways: `mean` is the published, transductive one."""
    together, alone = (measure.bins.error for measure in begun.measures)
    inductive = _mean([record.inductive_accuracy for record in records])
    return replace(
        result_of_folders(begun, records, engine),
        transductive=True,
        ece=together,
        inductive=inductive and replace(inductive, ece=alone),
        dataset=cache.dataset,
        protocol=cache.protocol,
        fingerprint=cache.fingerprint,
        split=split,
        query=query,
        preparation=preparation_of(cache),
    )


def _others(begun: Adapting, records: Sequence[Adapted]) -> tuple[OtherAnswers, ...]:
    """What the nearest neighbour and the frozen network reached on all tasks."""
    found = {"nearest neighbour on pixels": _mean([record.nearest_neighbour for record in records])}
    if begun.beside is not None:
        name = f"{begun.beside.name}, frozen, nearest class mean"
        found[name] = _mean([record.beside_accuracy for record in records])
    return tuple(
        OtherAnswers(name=name, mean=one.mean, interval=one.interval) for name, one in found.items() if one is not None
    )


def _mean(shares: Sequence[float | None]) -> Accuracy | None:
    """The mean accuracy over tasks with its interval; None where a task was not measured."""
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    values = torch.tensor(known, dtype=torch.float64)
    return Accuracy(mean=float(values.mean()), interval=interval(values))
