"""Which images make the n-th task: a pure function of (seed, split, index) and of the classes' sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tnas_cli.errors import SettingsError
from tnas_cli.runs.seeds import numpy_generator

EVALUATION_SEED = 2020
EVALUATION_TASKS = 600
EVALUATION_QUERY = 15

Indices = npt.NDArray[np.int64]


def draw_task(
    class_offset: Indices, class_ids: Indices, split: str, way: int, shot: int, query: int, seed: int, index: int
) -> Indices:
    """Image indices of one task, [way, shot + query]; the first `shot` of a row are its support images.

    Classes come in random order, images without replacement. A task depends on nothing but the arguments, and tasks
    with the same (seed, split, way, index) hold the same classes whatever the shot. Only `Generator.random` is used:
    its stream of doubles is the raw bit stream, so a NumPy release that changes `choice` or `permutation` changes
    no task.

    `class_offset` [classes + 1] are the class boundaries in the image table, `class_ids` the classes of the split.
    Raises SettingsError when the split has fewer than `way` classes or a class fewer than `shot + query` images.
    """
    _check(class_offset, class_ids, split, way, shot, query)
    generator = numpy_generator(seed, f"task/{split}", index)
    chosen = class_ids[_distinct(generator.random(way), len(class_ids))]  # [way]
    sizes = class_offset[chosen + 1] - class_offset[chosen]  # [way]
    keys = generator.random((way, int(sizes.max())))  # [way, images]
    keys[np.arange(keys.shape[1]) >= sizes[:, None]] = np.inf
    order = np.argsort(keys, axis=1, kind="stable")[:, : shot + query]  # [way, shot + query]
    return (class_offset[chosen][:, None] + order).astype(np.int64)  # [way, shot + query]


def _distinct(uniform: npt.NDArray[np.float64], population: int) -> list[int]:
    """As many different numbers below `population` as there are uniforms: the head of a Fisher-Yates shuffle."""
    moved: dict[int, int] = {}
    picked = []
    for position, value in enumerate(uniform.tolist()):
        other = position + int(value * (population - position))
        picked.append(moved.get(other, other))
        moved[other] = moved.get(position, position)
    return picked


def _check(class_offset: Indices, class_ids: Indices, split: str, way: int, shot: int, query: int) -> None:
    if way < 2 or shot < 1 or query < 0:
        raise SettingsError(
            f"a task of {way} classes with {shot} support and {query} query images each cannot be drawn.",
            hint="use --way 2 or more, --shot 1 or more and --query 0 or more",
        )
    if way > len(class_ids):
        raise SettingsError(
            f"--way {way} needs {way} classes, but split {split!r} has {len(class_ids)}.",
            hint=way_hint(len(class_ids)),
        )
    smallest = int((class_offset[class_ids + 1] - class_offset[class_ids]).min())
    if shot + query > smallest:
        raise SettingsError(
            f"{shot} support + {query} query images make {shot + query} per class, but a class of split {split!r} "
            f"has only {smallest}.",
            hint=images_hint(shot, smallest),
        )


def way_hint(classes: int) -> str:
    """What to do where a split has only so many classes."""
    more = "take a data set with more classes"
    return more if classes < 2 else f"add --way {classes}, or {more}"


def images_hint(shot: int, images: int) -> str:
    """What to do where a class has only so many images."""
    if images < 2:
        return "take a data set with two or more images of each class"
    return f"add --query {images - shot}" if images > shot else f"add --shot {images - 1} --query 1"


def table_name(way: int, shot: int, query: int) -> str:
    """Name of a stored evaluation table: '5w1s15q'."""
    return f"{way}w{shot}s{query}q"


def evaluation_table(
    class_offset: Indices, class_ids: Indices, split: str, way: int, shot: int, query: int, tasks: int
) -> Indices:
    """The evaluation tasks of a split, [tasks, way, shot + query]: the first `tasks` tasks of EVALUATION_SEED."""
    rows = [
        draw_task(class_offset, class_ids, split, way, shot, query, EVALUATION_SEED, index) for index in range(tasks)
    ]
    return np.stack(rows) if rows else np.zeros((0, way, shot + query), dtype=np.int64)


def standard_tables(class_offset: Indices, class_ids: Indices) -> dict[str, Indices]:
    """The evaluation tables that every cache stores for its test split, where its classes suffice: 5- and 20-way,
    1 and 5 shot, 15 query images, 600 tasks (Section 5.2.2 of the paper; the number of tasks is the authors').
    """
    sizes = class_offset[class_ids + 1] - class_offset[class_ids]
    return {
        table_name(way, shot, EVALUATION_QUERY): evaluation_table(
            class_offset, class_ids, "test", way, shot, EVALUATION_QUERY, EVALUATION_TASKS
        )
        for way in (5, 20)
        for shot in (1, 5)
        if len(class_ids) >= way and int(sizes.min()) >= shot + EVALUATION_QUERY
    }
