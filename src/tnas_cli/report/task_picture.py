"""The images of an adapted task with what was predicted for them: read again from its folder or its data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.task_folder import read_task_folder
from tnas_cli.episodes.tasks import evaluation_indices, load_batch
from tnas_cli.errors import DataError
from tnas_cli.methods.adapt import adapt
from tnas_cli.methods.registry import search_method, search_methods
from tnas_cli.recipes.meta_architecture import load_meta_architecture
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.task_grid import Pixels, Prediction, TaskImages, task_picture
from tnas_cli.runs.device import Machine

Record = dict[str, Any]

_HINT = "pass the records of `tnas adapt --json` where the images they were made from lie"


def picture_of_task(name: str, record: Record, machine: Machine) -> Picture:
    """The grid of an `adapted` record.

    Raises DataError where the images are no longer at hand or no longer those of the record, and CheckpointError where
    predictions have to be computed again and the checkpoint is gone.
    """
    try:
        if "folder" in record["task"]:
            return _of_folder(name, record)
        return _of_dataset(name, record, machine)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        # A record may hold anything; numbers that fit no checkpoint are a RuntimeError of PyTorch.
        raise DataError(f"the adapted record does not describe its task ({error}).", hint=_HINT) from error


def _of_folder(name: str, record: Record) -> Picture:
    """A task folder: its record holds the predictions."""
    data, folder = record["data"], Path(record["task"]["folder"])
    task = read_task_folder(folder, data["size"], data["channels"], data["mean"], data["std"])
    rows = record.get("predictions") or []
    if task.query_x is None or len(rows) != len(task.query_paths):
        raise DataError(f"{folder} has no query images, or others than its record.", hint=_HINT)
    classes = tuple(task.class_names)
    images = _pixels(task.query_x, data["mean"], data["std"])
    query = tuple(
        Prediction(
            image,
            classes.index(row["class"]),
            float(row["probability"]),
            classes.index(row["label"]) if "label" in row else None,
        )
        for image, row in zip(images, rows, strict=True)
    )
    support = _by_class(_pixels(task.support_x, data["mean"], data["std"]), task.support_y.tolist(), len(classes))
    return task_picture(name, f"{folder.name}: support and query images", TaskImages(classes, support, query))


def _of_dataset(name: str, record: Record, machine: Machine) -> Picture:
    """A task of a data set: adapt to this one task again, with PyTorch, which needs no kernel to be compiled."""
    about, inner = record["task"], record["inner"]
    way, shot, query = int(record["way"]), int(record["shot"]), int(record["query"]) // int(record["way"])
    if record.get("method") not in search_methods():
        raise DataError(f"tasks of {record.get('method')!r} cannot be computed again.", hint=_HINT)
    meta = load_meta_architecture(Path(record["checkpoint"]), torch.device("cpu"))
    cache = registry.ensure(about["dataset"], protocol=about["protocol"], root=machine.cache_root, offline=True)
    if about["dataset"] == meta.data.dataset and cache.fingerprint != meta.data.fingerprint:
        raise DataError(f"{cache.path} does not hold the images of the record.", hint=_HINT)
    index = int(about["index"])
    indices = evaluation_indices(cache, about["split"], way, shot, query, index + 1)[index]  # [way, shot + query]
    batch = load_batch(cache, indices[None], shot)
    settings = meta.settings.replace(test_steps=int(inner["steps"]))
    learner = search_method(settings.method).learner(TorchEngine(), meta.network, settings)
    ((_, logits),) = adapt(learner, meta.parameters, [batch])
    probabilities = logits[0].softmax(-1)  # [Q, way]
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
    title = f"{about['dataset']}, {about['split']} task {index}: support and query images"
    return task_picture(name, title, task, "Predictions were computed again for this figure.")


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
