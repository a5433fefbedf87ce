"""Any folder of class folders as a data set: <source>/<class>/*.png|jpg|webp, or below train/, val/ and test/."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tnas_cli.episodes.cache_writer import SPLITS, ClassImages
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.images import is_gray, read_image, to_square
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Listener, Progress
from tnas_cli.runs.seeds import numpy_generator

VAL_SHARE, TEST_SHARE = 0.16, 0.20  # as mini-ImageNet's 64 / 16 / 20 classes
COLOUR_SIZE = 84
GRAY_SIZE = 28
LAYOUT_HINT = "the layout is SOURCE/<class>/*.png|jpg|webp, or SOURCE/train|val|test/<class>/..."


@dataclass(frozen=True)
class Tree:
    """The classes of a source: (name, split, image paths) each, and one sentence on how they were divided."""

    classes: list[tuple[str, str, list[Path]]]
    note: str


def open_tree(source: Path, seed: int) -> Tree:
    """List a source's classes and divide them: as its train/, val/ and test/ folders say, else 64/16/20 by seed.

    Raises DataError for a layout that cannot make a data set.
    """
    given = [split for split in SPLITS if (source / split).is_dir()]
    if given:
        return _as_given(source, given)
    found = class_folders(source, fewest=len(SPLITS), hint=LAYOUT_HINT)
    total = len(found)
    test, val = max(1, round(total * TEST_SHARE)), max(1, round(total * VAL_SHARE))
    # Sorting by a random key uses the raw stream alone, so no NumPy release changes the split.
    keys = numpy_generator(seed, "folder/split").random(total)
    shuffled = [list(found)[i] for i in keys.argsort(kind="stable")]
    of = dict(zip(shuffled, ["test"] * test + ["val"] * val + ["train"] * (total - test - val), strict=True))
    note = f"classes at random by seed {seed}: {total - test - val} train, {val} val, {test} test"
    return Tree([(name, of[name], paths) for name, paths in found.items()], note)


def _as_given(source: Path, given: list[str]) -> Tree:
    missing = [split for split in SPLITS if split not in given]
    if missing:
        raise DataError(
            f"{source} has {given[0]}/ but no {missing[0]}/.", hint="give all of train/, val/ and test/, or none"
        )
    classes = [
        (f"{split}/{name}", split, paths)
        for split in SPLITS
        for name, paths in class_folders(source / split, fewest=2, hint=LAYOUT_HINT).items()
    ]
    return Tree(classes, "as the folders train/, val/ and test/ say")


def channels_of(tree: Tree) -> int:
    """1 when no image has colour, else 3; stops at the first colour."""
    return 1 if all(is_gray(read_image(path)) for _, _, paths in tree.classes for path in paths) else 3


def natural_size(channels: int) -> int:
    """The default side of a data set's images: 28 pixels when none has colour, 84 otherwise."""
    return GRAY_SIZE if channels == 1 else COLOUR_SIZE


def read_classes(tree: Tree, size: int, channels: int, listener: Listener) -> Iterator[ClassImages]:
    """The classes of a tree, images as `to_square` makes them, uint8 [n, size, size, channels]."""
    for done, (name, split, paths) in enumerate(tree.classes, start=1):
        images = np.stack([to_square(read_image(path), size, channels) for path in paths])  # [n, H, W, C]
        yield ClassImages(name, split, images)
        listener(Progress("prepare folder", done, len(tree.classes), "classes"))
