"""The images of an adapted task with their predictions, read again from its folder or its data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.task_folder import read_task_folder
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch
from tnas_cli.errors import DataError
from tnas_cli.methods.ensemble import fit_all
from tnas_cli.methods.registry import search_method, search_methods
from tnas_cli.recipes.kept_model import images_as
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.records.kinds import Adapted
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.task_grid import Pixels, Prediction, TaskImages, task_picture
from tnas_cli.runs.device import Machine

_HINT = "pass the records of `tnas adapt --json` where the images of their tasks are"

T = TypeVar("T")


def picture_of_task(name: str, record: Adapted, machine: Machine) -> Picture:
    """The grid of an `adapted` record.

    Raises DataError if the images are gone or are no longer those of the record, and CheckpointError if predictions
    have to be computed again and a checkpoint is gone.
    """
    try:
        return _of_folder(name, record) if record.task.folder is not None else _of_dataset(name, record, machine)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        # A record may hold anything; numbers that fit no checkpoint raise a RuntimeError in PyTorch.
        raise DataError(f"the adapted record does not describe its task ({error}).", hint=_HINT) from error


def _needed(value: T | None, what: str) -> T:
    if value is None:
        raise DataError(f"the adapted record does not say {what}.", hint=_HINT)
    return value


def _of_folder(name: str, record: Adapted) -> Picture:
    """A task folder, its images prepared as they were for the record, which holds the predictions."""
    folder = Path(_needed(record.task.folder, "its folder"))
    seen = _needed(record.preparation, "how its images were prepared")
    task = read_task_folder(folder, images_as(seen))
    rows = record.predictions or ()
    if task.query_x is None or len(rows) != len(task.query_paths):
        raise DataError(f"{folder} has no query images, or not those of its record.", hint=_HINT)
    classes = tuple(task.class_names)
    images = _pixels(task.query_x, seen.mean, seen.std)
    query = tuple(
        Prediction(
            image,
            classes.index(row.class_),
            row.probability,
            None if row.label is None else classes.index(row.label),
        )
        for image, row in zip(images, rows, strict=True)
    )
    support = _by_class(_pixels(task.support_x, seen.mean, seen.std), task.support_y.tolist(), len(classes))
    note = _by_members(record)
    if seen.invert is None and seen.channels == 1:
        note = f"{note} The record does not say whether --invert was given: the images are shown without it.".strip()
    return task_picture(name, f"{folder.name}: support and query images", TaskImages(classes, support, query), note)


def _of_dataset(name: str, record: Adapted, machine: Machine) -> Picture:
    """A task of a data set: adapt to this one task again, with PyTorch, which needs no kernel to be compiled."""
    about, way = record.task, _needed(record.way, "its classes")
    shot, query = _needed(record.shot, "its shot"), _needed(record.query, "its query images") // way
    dataset, index = _needed(about.dataset, "its data set"), _needed(about.index, "its number")
    if record.method not in search_methods() or not isinstance(shot, int):
        raise DataError(f"tasks of {record.method!r} cannot be computed again.", hint=_HINT)
    meta = load_meta_architecture(Path(_needed(record.checkpoint, "its checkpoint")), torch.device("cpu"))
    cache = registry.ensure(dataset, protocol=about.protocol, root=machine.cache_root, offline=True)
    if dataset == meta.data.dataset and cache.fingerprint != meta.data.fingerprint:
        raise DataError(f"{cache.path} does not hold the images of the record.", hint=_HINT)
    indices = evaluation_indices(cache, about.split or "test", way, shot, query, index + 1)[
        index
    ]  # [way, shot + query]
    batch = load_batch(cache, indices[None], shot)
    probabilities = _answers(meta, record, batch)[0].softmax(-1)  # [Q, way]
    best, labels = probabilities.max(-1), batch.query_y[0].tolist()
    images = cache.load(indices)  # [way, shot + query, H, W, C]
    task = TaskImages(
        tuple(cache.class_names[_class_of(cache, int(row[0]))] for row in indices),
        tuple(tuple(map(_flat, row[:shot])) for row in images),
        tuple(
            Prediction(
                _flat(images[label, shot + place % query]), int(best.indices[place]), float(best.values[place]), label
            )
            for place, label in enumerate(labels)
        ),
    )
    title = f"{dataset}, {about.split} task {index}: support and query images"
    note = f"Predictions were computed again for this figure. {_by_members(record)}".strip()
    return task_picture(name, title, task, note)


def _answers(meta: MetaArchitecture, record: Adapted, batch: TaskBatch) -> Tensor:
    """The logits [1, Q, way] for the query images, of the checkpoint or of all members together."""
    settings = meta.settings.replace(test_steps=_needed(record.inner, "its steps").steps)
    learner = search_method(settings.method).learner(TorchEngine(), meta.network, settings)
    members = [meta.parameters]
    if (record.members or 1) > 1:
        kept = [load_meta_architecture(path, torch.device("cpu")) for path in sorted(meta.path.parent.glob("top-*.pt"))]
        members += [other.parameters for other in kept if other.tasks_done != meta.tasks_done]
        if len(members) != record.members:
            raise DataError(
                f"{record.members} checkpoints answered together, but {len(members)} are kept beside {meta.path}.",
                hint=_HINT,
            )
    return fit_all(learner, members, batch.support).transductive(batch.query_x)


def _by_members(record: Adapted) -> str:
    together = record.members or 1
    return f"{together} checkpoints answered together." if together > 1 else ""


def _class_of(cache: ImageCache, image: int) -> int:
    return int(np.searchsorted(cache.class_offset, image, side="right")) - 1


def _flat(image: Any) -> Pixels:
    """[H, W, 1] without its last dimension; [H, W, 3] as it is."""
    pixels: Pixels = np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)
    return pixels


def _pixels(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> list[Pixels]:
    """Normalised images [n, C, H, W] as pixels: what the network saw."""
    shape = (x.shape[1], 1, 1)
    whole = (x * torch.tensor(std).view(shape) + torch.tensor(mean).view(shape)) * 255
    return [_flat(image) for image in whole.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()]


def _by_class(images: Sequence[Pixels], labels: Sequence[int], way: int) -> tuple[tuple[Pixels, ...], ...]:
    return tuple(
        tuple(image for image, label in zip(images, labels, strict=True) if label == number) for number in range(way)
    )
