"""A user's own task: support/<class>/ images, and query images with or without labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.around import files_below
from tnas_cli.episodes.class_folders import class_folders, images_in
from tnas_cli.episodes.images import is_on_bright_ground
from tnas_cli.episodes.own_images import UNLIKE, OwnImages
from tnas_cli.episodes.places import DiskFolder, File, Folder
from tnas_cli.episodes.twins import IN_CLASS, KEPT, LEFT, digest
from tnas_cli.errors import DataError
from tnas_cli.records.account import InputAccount

LAYOUT_HINT = (
    "the layout is TASK/support/<class>/* (images), and optionally TASK/query/<class>/* (labelled) "
    "or TASK/query/* (unlabelled)"
)


@dataclass(frozen=True)
class FolderTask:
    """One task from a folder. Classes are sorted by name; a class may hold any number of images.

    support_x float32 [S, C, H, W] and support_y int64 [S], ordered class by class; query_x [Q, C, H, W] or None without
    a query folder; query_y [Q] or None when the query images are unlabelled; query_paths in the order of query_x.
    support_files and query_files are the images as they are. inverted: how many images were inverted. account: what
    became of the files.
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
    account: InputAccount = field(default_factory=lambda: InputAccount(read=0))

    @property
    def shots(self) -> tuple[int, ...]:
        """Support images of each class."""
        return tuple(torch.bincount(self.support_y, minlength=len(self.class_names)).tolist())


def read_task_folder(path: Path, images: OwnImages, *, keep_duplicates: bool = False) -> FolderTask:
    """Read a task folder; `images` says how they are prepared for a network.

    A support image that is in its class already is left out, unless `keep_duplicates`. Raises DataError for a missing
    support folder, fewer than two classes, an empty class, a file that is no image, a picture that is in two classes, a
    query class that has no support images, and a query folder that mixes labelled and unlabelled images.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder." if path.exists() else f"{path} does not exist.", hint=LAYOUT_HINT)
    account = Account()
    with account.said_of_errors():
        return _read(path, images, account, keep_duplicates=keep_duplicates)


def _read(path: Path, images: OwnImages, account: Account, *, keep_duplicates: bool) -> FolderTask:
    support_folder, query_folder = _parts(DiskFolder(path, account))
    support = class_folders(support_folder, fewest=2, hint=LAYOUT_HINT)
    names = list(support)
    query, labels = _query(query_folder, names) if query_folder else ([], None)
    loaded = _Loaded(images, account)
    given = [(file, label) for label, files in enumerate(support.values()) for file in files]
    squares = loaded.all([file for file, _ in given])
    _check_apart(squares, [label for _, label in given], [file for file, _ in given])
    kept = _kept(squares, given, account, keep_duplicates=keep_duplicates)
    query_squares = loaded.all(query)
    squares, given = [squares[number] for number in kept], [given[number] for number in kept]
    _tell_twins(squares, [file for file, _ in given], query_squares, query, account)
    used = [*squares, *query_squares]
    account.used(len(used))
    if images.unlike(sum(map(is_on_bright_ground, used)) / len(used)):
        account.warn(UNLIKE, str(path), len(used))
    return FolderTask(
        path=path,
        class_names=names,
        support_x=images.normalised(squares),
        support_y=torch.tensor([label for _, label in given]),
        query_x=images.normalised(query_squares) if query else None,
        query_y=None if labels is None else torch.tensor(labels),
        query_paths=[Path(file.label) for file in query],
        support_files=[file for file, _ in given],
        query_files=query,
        inverted=loaded.inverted,
        account=account.record(),
    )


@dataclass
class _Loaded:
    """Reads images, and tells the account how they had to be converted."""

    images: OwnImages
    account: Account
    inverted: int = 0

    def all(self, files: list[File]) -> list[npt.NDArray[np.uint8]]:
        """The squares [size, size, channels] of files; raises DataError for one that cannot be read."""
        squares = []
        for file in files:
            square, negative = self.images.read(file, partial(self.account.converted, name=file.label))
            squares.append(square)
            self.inverted += negative
        return squares


def images_to_ask(path: Path) -> Path:
    """The folder of a task's query images, or that of its support images where it has none."""
    support, query = _parts(DiskFolder(path))
    return Path((query or support).label)


def _parts(task: Folder) -> tuple[Folder, Folder | None]:
    """The folders of support and query images, by name in any case; raises DataError without the first.

    One folder more around them is looked into, and whatever lies beside them is left out.
    """
    inside = task.folders()
    parts = {name.lower(): folder for name, folder in inside.items()}
    if "support" not in parts and len(inside) == 1:
        (only,) = inside.values()
        if "support" in {name.lower() for name in only.folders()}:
            task.account.understand(f"the task is in {only.label}/")
            return _parts(only)
    if "support" not in parts:
        raise DataError(f"{task.label} has no folder support/.", hint=LAYOUT_HINT)
    for file in images_in(task):
        task.account.left_out("images beside support/ and query/", file.label)
    for name, folder in inside.items():
        if name.lower() not in ("support", "query"):
            task.account.left_out(
                "files in folders beside support/ and query/", f"{folder.label}/", len(files_below(folder))
            )
    return parts["support"], parts.get("query")


def _kept(
    squares: list[npt.NDArray[np.uint8]], given: list[tuple[File, int]], account: Account, *, keep_duplicates: bool
) -> list[int]:
    """The numbers of the support images without those that are in their class already."""
    seen: set[int] = set()
    kept = []
    for number, square in enumerate(squares):
        content = digest(square)
        if content in seen:
            account.duplicate(IN_CLASS + (KEPT if keep_duplicates else LEFT), given[number][0].label)
            if not keep_duplicates:
                continue
        seen.add(content)
        kept.append(number)
    return kept


def _tell_twins(
    support: list[npt.NDArray[np.uint8]],
    support_files: list[File],
    query: list[npt.NDArray[np.uint8]],
    query_files: list[File],
    account: Account,
) -> None:
    """Tell the account of query images that are support images, or that occur twice; all of them are answered."""
    shown = {digest(square): file.label for square, file in zip(support, support_files, strict=True)}
    asked: dict[int, str] = {}
    for square, file in zip(query, query_files, strict=True):
        content = digest(square)
        if content in shown:
            account.duplicate("query images that are support images too, answered", f"{shown[content]} = {file.label}")
        elif content in asked:
            account.duplicate("query images that occur again, answered", f"{asked[content]} = {file.label}")
        asked.setdefault(content, file.label)


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
