"""A user's own task: support/<class>/ images, and query images with or without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tnas_cli.episodes.class_folders import class_folders, images_in
from tnas_cli.episodes.images import border_colour, read_image, to_square
from tnas_cli.episodes.places import DiskFolder, File, Folder
from tnas_cli.errors import DataError

LAYOUT_HINT = (
    "the layout is TASK/support/<class>/*.png|jpg|webp, and optionally TASK/query/<class>/* (labelled) "
    "or TASK/query/* (unlabelled)"
)

Invert = Literal["auto"] | bool


@dataclass(frozen=True)
class FolderTask:
    """One task from a folder. Classes are sorted by name; a class may hold any number of images.

    support_x float32 [S, C, H, W] and support_y int64 [S], ordered class by class; query_x [Q, C, H, W] or None without
    a query folder; query_y [Q] or None when the query images are unlabelled; query_paths in the order of query_x.
    inverted: how many images were inverted.
    """

    path: Path
    class_names: list[str]
    support_x: Tensor
    support_y: Tensor
    query_x: Tensor | None
    query_y: Tensor | None
    query_paths: list[Path]
    inverted: int = 0


def read_task_folder(
    path: Path,
    size: int,
    channels: int,
    mean: Sequence[float],
    std: Sequence[float],
    invert: Invert = "auto",
) -> FolderTask:
    """Read a task folder for a network that takes `channels` x `size` x `size` images, normalised by `mean` and `std`.

    Images of any size become squares with their aspect kept, padded with the median colour of their border; gray
    and colour are converted to what the network takes. `invert` turns dark ink on a bright ground into bright ink on
    dark, as in Omniglot: True inverts every image and False none; 'auto' decides by each image's border, and only for a
    network that learned from ink (one channel, mean 0 and std 1).

    Raises DataError for a missing support folder, fewer than two classes, an empty class, a file that is not an image,
    a query class that has no support images, and a query folder that mixes labelled and unlabelled images.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder." if path.exists() else f"{path} does not exist.", hint=LAYOUT_HINT)
    learned_from_ink = channels == 1 and tuple(mean) == (0.0,) and tuple(std) == (1.0,)
    auto = invert == "auto" and learned_from_ink
    inverted = 0

    def load(files: list[File]) -> Tensor:
        nonlocal inverted
        squares = []
        for file in files:
            square = to_square(read_image(file.read(), file.label, size), size, channels)
            negative = invert is True or (auto and _is_dark_on_bright(square))
            squares.append(255 - square if negative else square)
            inverted += negative
        pixels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255  # [n, C, H, W]
        shape = (channels, 1, 1)
        return (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)  # [n, C, H, W]

    task = DiskFolder(path)
    support_folder, query_folder = (task.find(part) for part in ("support", "query"))
    if support_folder is None:
        raise DataError(f"{path} has no folder support/.", hint=LAYOUT_HINT)
    support = class_folders(support_folder, fewest=2, hint=LAYOUT_HINT)
    names = list(support)
    query, labels = _query(query_folder, names) if query_folder else ([], None)
    support_x = load([image for images in support.values() for image in images])
    query_x = load(query) if query else None
    return FolderTask(
        path=path,
        class_names=names,
        support_x=support_x,
        support_y=torch.tensor([label for label, images in enumerate(support.values()) for _ in images]),
        query_x=query_x,
        query_y=None if labels is None else torch.tensor(labels),
        query_paths=[Path(file.label) for file in query],
        inverted=inverted,
    )


def _is_dark_on_bright(square: npt.NDArray[np.uint8]) -> bool:
    """Whether the border of `square` [H, W, C] is bright."""
    return bool((border_colour(square) > 127).all())


def _query(folder: Folder, names: list[str]) -> tuple[list[File], list[int] | None]:
    """The query images and, where they lie in class folders, their labels."""
    loose, labelled = images_in(folder), folder.folders()
    if not loose and not labelled:
        raise DataError(f"{folder.label} holds no image.", hint=f"remove it, or add images: {LAYOUT_HINT}")
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
            hint=f"add support/{stray[0]}, or remove the query class",
        )
    found = class_folders(folder, fewest=1, hint=LAYOUT_HINT)
    images = [image for files in found.values() for image in files]
    return images, [names.index(name) for name, files in found.items() for _ in files]
