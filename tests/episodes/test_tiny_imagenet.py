"""Tiny-ImageNet's folder: its training and validation images by class, its test images left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.episodes.small_data import packed, picture, request, whole_classes
from tnas_cli.episodes.folder import build, open_tree
from tnas_cli.errors import DataError

IDS = [f"n0000000{k}" for k in range(5)]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Five classes of two training images and one validation image, in the official layout."""
    root = tmp_path / "tiny-imagenet-200"
    lines = []
    for k, name in enumerate(IDS):
        for i in range(2):
            picture(root / "train" / name / "images" / f"{name}_{i}.JPEG", (10 * k + i, 0, 200), (64, 64))
        (root / "train" / name / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t62\t63\n")
        picture(root / "val" / "images" / f"val_{9 - k}.JPEG", (10 * k + 9, 0, 200), (64, 64))
        lines.append(f"val_{9 - k}.JPEG\t{name}\t0\t0\t62\t63\n")
        picture(root / "test" / "images" / f"test_{k}.JPEG", (255, 255, 255), (64, 64))
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(IDS))
    return root


@pytest.mark.parametrize("archive", [False, True])
def test_training_and_validation_images_are_merged(tiny: Path, tmp_path: Path, archive: bool) -> None:
    source = packed(tiny, tmp_path / "tiny.zip") if archive else tiny
    built = build(request(source, size=64))
    assert "those of test/ have no labels and were left out" in built.attributes.split_note
    found = {name: images[:, 30, 30, 0].astype(int) for (_, name), images in whole_classes(built.classes).items()}
    assert sorted(found) == IDS
    for k, name in enumerate(IDS):
        assert abs(found[name] - [10 * k, 10 * k + 1, 10 * k + 9]).max() <= 2  # JPEG loses a little


def _unknown_class(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_text(f"val_9.JPEG\t{IDS[0]}\nval_8.JPEG\tn99999999\t0\n")


def _unknown_image(tiny: Path) -> None:
    (tiny / "val" / "images" / "val_9.JPEG").unlink()


def _no_label(tiny: Path) -> None:
    (tiny / "val" / "val_annotations.txt").write_text("val_9.JPEG")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_unknown_class, r"val_annotations\.txt, line 2, names 'val_8\.JPEG' of class 'n99999999'"),
        (_unknown_image, r"line 1, names 'val_9\.JPEG' of class 'n00000000'"),
        (_no_label, r"line 1, names 'val_9\.JPEG' of class ''"),
    ],
)
def test_annotations_that_do_not_fit(tiny: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(tiny)
    with pytest.raises(DataError, match=words):
        open_tree(request(tiny), tiny)
