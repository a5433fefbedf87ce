"""ImageNet for the transfer setting: the official validation images are test, a tenth of the training images is val."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import class_tree, packed, request, whole_classes
from tnas_cli.episodes import registry
from tnas_cli.episodes.dataset import IMAGENET_MEAN
from tnas_cli.episodes.imagenet import build
from tnas_cli.errors import DataError

IDS = ("n01440764", "n01443537", "n15075141")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three classes of twenty training and two validation images."""
    root = tmp_path / "ilsvrc"
    for part, n in (("train", 20), ("val", 2)):
        class_tree(root / part, IDS, images=n)
    return root


@pytest.mark.parametrize("archive", [False, True])
def test_how_images_are_divided(source: Path, tmp_path: Path, archive: bool) -> None:
    read = packed(source, tmp_path / "all.tar") if archive else source
    found = whole_classes(build(request(read)).classes)
    assert list(found) == [(split, name) for split in ("train", "val", "test") for name in IDS]
    for name in IDS:
        reds = {split: found[split, name][:, 9, 9, 1].tolist() for split in ("train", "val", "test")}
        assert (len(reds["train"]), len(reds["val"]), sorted(reds["test"])) == (18, 2, [0, 1])
        assert sorted(reds["train"] + reds["val"]) == list(range(20))


def test_it_may_lie_some_folders_deeper(source: Path, tmp_path: Path) -> None:
    expected = whole_classes(build(request(source)).classes)
    (tmp_path / "archive" / "ILSVRC" / "Data").mkdir(parents=True)
    source.rename(tmp_path / "archive" / "ILSVRC" / "Data" / "CLS-LOC")
    asked = request(tmp_path / "archive")
    found = whole_classes(build(asked).classes)
    assert found.keys() == expected.keys() and all((found[key] == expected[key]).all() for key in expected)
    assert any("CLS-LOC" in words for words in asked.account.record().understood)


def test_the_seed_decides_which_validate(source: Path) -> None:
    first, again, other = (whole_classes(build(request(source, seed=seed)).classes) for seed in (0, 0, 1))
    assert all((first[key] == again[key]).all() for key in first)
    assert any((first["val", name] != other["val", name]).any() for name in IDS)


def test_images_are_cropped_to_224_pixels(source: Path, tmp_path: Path) -> None:
    wide = Image.new("RGB", (500, 250), (250, 0, 0))
    wide.paste((0, 0, 250), (125, 0, 375, 250))
    wide.save(source / "val" / IDS[0] / "9.JPEG")
    cache = registry.prepare("imagenet", source=source, root=tmp_path)
    assert (cache.size, cache.channels, cache.resize, cache.mean) == (224, 3, "crop", IMAGENET_MEAN)
    number = cache.classes("test")[0]
    image = cache.load(np.arange(*cache.class_offset[number : number + 2]))[-1].astype(int)
    assert np.abs(image[:, 4:-4] - (0, 0, 250)).max() <= 8


def _other_class(source: Path) -> None:
    class_tree(source / "val", ["n99999999"])


def _without(part: str) -> Callable[[Path], object]:
    return lambda source: (source / part).rename(source / "elsewhere")


def _one_left(source: Path) -> None:
    for path in sorted((source / "train" / IDS[0]).glob("*.png"))[1:]:
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_without("train"), "has no train/"),
        (_without("val"), "has no val/"),
        (_other_class, "class n99999999 of .* is not in both train/ and val/"),
        (_one_left, f"class '{IDS[0]}' has no image"),
    ],
)
def test_what_is_refused(source: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(source)
    with pytest.raises(DataError, match=words) as caught:
        list(build(request(source)).classes)
    assert caught.value.hint
