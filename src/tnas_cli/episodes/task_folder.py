"""A user's own task: support/<class>/ images, and query images with or without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tnas_cli.episodes.class_folders import class_folders, images_in
from tnas_cli.episodes.own_images import OwnImages
from tnas_cli.episodes.places import DiskFolder, File, Folder
from tnas_cli.errors import DataError

LAYOUT_HINT = (
    "the layout is TASK/support/<class>/*.png|jpg|webp, and optionally TASK/query/<class>/* (labelled) "
    "or TASK/query/* (unlabelled)"
)


@dataclass(frozen=True)
class FolderTask:
    """One task from a folder. Classes are sorted by name; a class may hold any number of images.

    support_x float32 [S, C, H, W] and support_y int64 [S], ordered class by class; query_x [Q, C, H, W] or None without
    a query folder; query_y [Q] or None when the query images are unlabelled; query_paths in the order of query_x.
    support_files and query_files are the images as they are. inverted: how many images were inverted.
    """

    path: Path
    class_names: list[str]
    support_x: Tensor
    support_y: Tensor
    query_x: Tensor | None
    query_y: Tensor | None
    query_paths: list[Path]
    support_files: list[File]
    query_files: list[File]
    inverted: int = 0

    @property
    def shots(self) -> tuple[int, ...]:
        """Support images of each class."""
        return tuple(torch.bincount(self.support_y, minlength=len(self.class_names)).tolist())


def read_task_folder(path: Path, images: OwnImages) -> FolderTask:
    """Read a task folder; `images` says how they are prepared for a network.

    Raises DataError for a missing support folder, fewer than two classes, an empty class, a file that is no image, a
    picture that is in two classes, a query class that has no support images, and a query folder that mixes labelled and
    unlabelled images.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder." if path.exists() else f"{path} does not exist.", hint=LAYOUT_HINT)
    inverted = 0

    def load(files: list[File]) -> list[npt.NDArray[np.uint8]]:
        nonlocal inverted
        squares, negatives = zip(*map(images.read, files), strict=True)
        inverted += sum(negatives)
        return list(squares)

    task = DiskFolder(path)
    support_folder, query_folder = (task.find(part) for part in ("support", "query"))
    if support_folder is None:
        raise DataError(f"{path} has no folder support/.", hint=LAYOUT_HINT)
    support = class_folders(support_folder, fewest=2, hint=LAYOUT_HINT)
    names = list(support)
    query, labels = _query(query_folder, names) if query_folder else ([], None)
    shown, labels_shown = [file for files in support.values() for file in files], _labels(support)
    squares = load(shown)
    _check_apart(squares, labels_shown, shown)
    return FolderTask(
        path=path,
        class_names=names,
        support_x=images.normalised(squares),
        support_y=torch.tensor(labels_shown),
        query_x=images.normalised(load(query)) if query else None,
        query_y=None if labels is None else torch.tensor(labels),
        query_paths=[Path(file.label) for file in query],
        support_files=shown,
        query_files=query,
        inverted=inverted,
    )


def _labels(classes: Mapping[str, list[File]]) -> list[int]:
    """The label of every image, class by class."""
    return [label for label, files in enumerate(classes.values()) for _ in files]


def _check_apart(squares: list[npt.NDArray[np.uint8]], labels: list[int], files: list[File]) -> None:
    """Raises DataError where a network would see the same picture in two classes."""
    seen: dict[bytes, int] = {}
    for number, square in enumerate(squares):
        first = seen.setdefault(square.tobytes(), number)
        if labels[first] != labels[number]:
            raise DataError(
                f"{files[first].label} and {files[number].label} are the same picture in two classes.",
                hint="keep it in the class that it belongs to, and move the other away",
            )


def _query(folder: Folder, names: list[str]) -> tuple[list[File], list[int] | None]:
    """The query images and, where they lie in class folders, their labels."""
    loose, labelled = images_in(folder), folder.folders()
    if not loose and not labelled:
        raise DataError(f"{folder.label} holds no image.", hint=f"move it away, or add images: {LAYOUT_HINT}")
    if loose and labelled:
        raise DataError(
            f"{folder.label} mixes class folders ({next(iter(labelled))}/) and loose images ({loose[0].label}).",
            hint="label all query images or none",
        )
    if loose:
        return loose, None
    stray = [name for name in labelled if name not in names]
    if stray:
        raise DataError(
            f"query class {folder.label}/{stray[0]} has no support images; support has {', '.join(names)}.",
            hint=f"add support/{stray[0]}, or move the query class away",
        )
    found = class_folders(folder, fewest=1, hint=LAYOUT_HINT)
    images = [image for files in found.values() for image in files]
    return images, [names.index(name) for name, files in found.items() for _ in files]
