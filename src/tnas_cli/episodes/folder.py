"""Any folder of class folders as a data set: <source>/<class>/*.png|jpg|webp, or below train/, val/ and test/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tnas_cli.episodes.cache_writer import SPLITS, ClassImages
from tnas_cli.episodes.images import is_gray, is_image_name, read_image, to_square
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Progress
from tnas_cli.runs.seeds import numpy_generator

SHARES = {"train": 0.64, "val": 0.16, "test": 0.20}  # as mini-ImageNet's 64 / 16 / 20 classes
COLOUR_SIZE = 84
GRAY_SIZE = 28
LAYOUT_HINT = "the layout is SOURCE/<class>/*.png|jpg|webp, or SOURCE/train|val|test/<class>/..."


@dataclass(frozen=True)
class Tree:
    """The classes of a source: (name, split, image paths) each, and one sentence on how they were divided."""

    classes: list[tuple[str, str, list[Path]]]
    note: str


def class_folders(folder: Path) -> dict[str, list[Path]]:
    """The class folders of `folder` by name, each with its images in order; hidden files and others are ignored.

    Raises DataError when `folder` is missing, a class holds no image, or there are fewer than two classes.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", hint=LAYOUT_HINT)
    found: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if not entry.is_dir() or entry.name.startswith("."):
            continue
        files = sorted(path for path in entry.iterdir() if path.is_file())
        found[entry.name] = [path for path in files if is_image_name(path.name)]
        if not found[entry.name]:
            others = f" (it has {len(files)} other files, such as {files[0].name})" if files else ""
            raise DataError(
                f"class folder {entry} holds no image{others}.", hint="add PNG, JPEG or WebP files, or remove it"
            )
    if len(found) < 2:
        raise DataError(f"{folder} holds {len(found)} class folders; at least 2 are needed.", hint=LAYOUT_HINT)
    return found


def open_tree(source: Path, seed: int) -> Tree:
    """List a source's classes and divide them: as its train/, val/ and test/ folders say, else 64/16/20 by seed.

    Raises DataError for a layout that cannot make a data set.
    """
    given = [split for split in SPLITS if (source / split).is_dir()]
    if given and len(given) < len(SPLITS):
        missing = next(split for split in SPLITS if split not in given)
        raise DataError(f"{source} has {given[0]}/ but no {missing}/.", hint="give all of train/, val/ and test/, or none")
    if given:
        classes = [
            (f"{split}/{name}", split, paths)
            for split in SPLITS
            for name, paths in class_folders(source / split).items()
        ]
        return Tree(classes, "as the folders train/, val/ and test/ say")
    found = class_folders(source)
    total = len(found)
    if total < len(SPLITS):
        raise DataError(f"{source} holds {total} classes; train, val and test need one each.", hint=LAYOUT_HINT)
    test, val = max(1, round(total * SHARES["test"])), max(1, round(total * SHARES["val"]))
    keys = numpy_generator(seed, "folder/split").random(total)
    shuffled = [list(found)[i] for i in keys.argsort(kind="stable")]
    of = dict(zip(shuffled, ["test"] * test + ["val"] * val + ["train"] * (total - test - val), strict=True))
    note = f"classes at random by seed {seed}: {total - test - val} train, {val} val, {test} test"
    return Tree([(name, of[name], paths) for name, paths in found.items()], note)


def natural_size(source: Path) -> int:
    """The default side of a source's images: 28 pixels when none has colour, 84 otherwise."""
    return GRAY_SIZE if channels_of(open_tree(source, seed=0)) == 1 else COLOUR_SIZE


def channels_of(tree: Tree) -> int:
    """1 when no image has colour, else 3; stops at the first colour."""
    return 1 if all(is_gray(read_image(path)) for _, _, paths in tree.classes for path in paths) else 3


def read_classes(tree: Tree, size: int, listener: Listener) -> Iterator[ClassImages]:
    """The classes of a tree, images as `to_square` makes them, uint8 [n, size, size, C]."""
    channels = channels_of(tree)
    for done, (name, split, paths) in enumerate(tree.classes, start=1):
        images = np.stack([to_square(read_image(path), size, channels) for path in paths])  # [n, H, W, C]
        yield ClassImages(name, split, images)
        listener(Progress("prepare folder", done, len(tree.classes), "classes"))
