"""Any folder of class folders as a data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.episodes.small_data import picture
from tnas_cli.episodes.folder import channels_of, open_tree, read_classes
from tnas_cli.errors import DataError
from tnas_cli.runs.events import ignore


def class_tree(root: Path, classes: int, images: int = 2, colour: bool = False) -> Path:
    for k in range(classes):
        for i in range(images):
            value = 10 * k + i
            picture(root / f"class{k:02d}" / f"{i}.png", (value, 0, value) if colour else value)
    return root


@pytest.mark.parametrize(
    ("classes", "expected"), [(3, (1, 1, 1)), (10, (6, 2, 2)), (25, (16, 4, 5)), (100, (64, 16, 20))]
)
def test_classes_are_divided_by_seed(tmp_path: Path, classes: int, expected: tuple[int, ...]) -> None:
    tree = open_tree(class_tree(tmp_path, classes, images=1), seed=4)
    counts = Counter(split for _, split, _ in tree.classes)
    assert (counts["train"], counts["val"], counts["test"]) == expected
    assert tree.classes == open_tree(tmp_path, seed=4).classes
    assert classes < 10 or tree.classes != open_tree(tmp_path, seed=5).classes


def test_given_splits_are_kept(tmp_path: Path) -> None:
    for split, classes in (("train", 3), ("val", 2), ("test", 2)):
        class_tree(tmp_path / split, classes)
    tree = open_tree(tmp_path, seed=0)
    assert [(name, split) for name, split, _ in tree.classes] == [
        (f"{split}/class{k:02d}", split)
        for split, classes in (("train", 3), ("val", 2), ("test", 2))
        for k in range(classes)
    ]


def test_gray_and_colour(tmp_path: Path) -> None:
    gray = open_tree(class_tree(tmp_path / "gray", 3), seed=0)
    assert channels_of(gray) == 1
    images = {c.name: c.images for c in read_classes(gray, 20, 1, ignore)}
    assert images["class02"].shape == (2, 20, 20, 1)
    assert (images["class02"][1] == 21).all()
    picture(tmp_path / "gray" / "class01" / "9.png", (0, 50, 0))
    mixed = open_tree(tmp_path / "gray", seed=0)
    assert channels_of(mixed) == 3
    images = {c.name: c.images for c in read_classes(mixed, 20, 3, ignore)}
    assert images["class01"].shape == (3, 20, 20, 3)
    np.testing.assert_array_equal(images["class01"][2, 0, 0], (0, 50, 0))


def test_layouts_that_are_refused(tmp_path: Path) -> None:
    class_tree(tmp_path / "one", 1)
    class_tree(tmp_path / "two", 2)
    class_tree(tmp_path / "half" / "train", 2)
    class_tree(tmp_path / "empty", 3)
    (tmp_path / "empty" / "class09").mkdir()
    for name, words in (
        ("one", r"one holds 1 class folders \(class00\); 3 are needed"),
        ("two", "two holds 2 class folders"),
        ("half", "half has train/ but no val/"),
        ("empty", "class09 holds no image"),
        ("nowhere", "nowhere does not exist"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            open_tree(tmp_path / name, seed=0)
        assert caught.value.hint
