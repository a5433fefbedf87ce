"""Images of one's own: class folders, train/, val/ and test/, a list, and Tiny-ImageNet's folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import class_tree, notes, packed, picture, request, whole_classes
from tnas_cli.episodes.cache import open_cache
from tnas_cli.episodes.folder import Tree, build, channels_of, open_tree
from tnas_cli.episodes.registry import prepare
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.events import Event


def opened(source: Path, **changes: object) -> Tree:
    return open_tree(request(source, **changes), source)


def names(count: int) -> list[str]:
    return [f"class{k:02d}" for k in range(count)]


def counts(tree: Tree) -> tuple[int, int, int]:
    found = Counter(split for _, split, _ in tree.classes)
    return found["train"], found["val"], found["test"]


@pytest.mark.parametrize(
    ("classes", "shares", "expected"),
    [
        (3, (64, 16, 20), (1, 1, 1)),
        (10, (64, 16, 20), (6, 2, 2)),
        (25, (64, 16, 20), (16, 4, 5)),
        (100, (64, 16, 20), (64, 16, 20)),
        (10, (50, 20, 30), (5, 2, 3)),
        (9, (64, 16, 20), (5, 2, 2)),
        (6, (64, 16, 20), (2, 2, 2)),
        (4, (1, 1, 98), (1, 1, 2)),
        (4, (1, 98, 1), (1, 2, 1)),
    ],
)
def test_classes_are_divided_by_seed_and_shares(
    tmp_path: Path, classes: int, shares: tuple[int, int, int], expected: tuple[int, ...]
) -> None:
    source = class_tree(tmp_path / "tree", names(classes), images=1)
    tree = opened(source, seed=4, shares=shares)
    assert counts(tree) == expected
    assert "by seed 4: {} train, {} val, {} test".format(*expected) in tree.note
    splits = {name: split for name, split, _ in tree.classes}
    assert splits == {name: split for name, split, _ in opened(source, seed=4, shares=shares).classes}
    assert classes < 10 or splits != {name: split for name, split, _ in opened(source, seed=5, shares=shares).classes}


GIVEN = (("train", 3), ("val", 2), ("test", 2))


def test_given_splits_are_kept(tmp_path: Path) -> None:
    for split, classes in GIVEN:
        class_tree(tmp_path / split, [f"{split}{name}" for name in names(classes)])
    tree = opened(tmp_path)
    assert [(name, split) for name, split, _ in tree.classes] == [
        (f"{split}/{split}{name}", split) for split, classes in GIVEN for name in names(classes)
    ]
    assert tree.note == "as the folders train/, val/ and test/ say"


@pytest.mark.parametrize(("val", "test"), [(4, 4), (4, 0), (0, 4), (3, 2)])
def test_splits_of_the_same_classes_are_merged(tmp_path: Path, val: int, test: int) -> None:
    tree_of = {"train": names(4), "val": names(val), "test": names(test)}
    for split, classes in tree_of.items():
        class_tree(tmp_path / split, classes)
    events: list[Event] = []
    build(request(tmp_path, events))
    assert "hold images of the same classes and were merged" in notes(events)
    tree = opened(tmp_path)
    assert [name for name, _, _ in tree.classes] == names(4)
    assert sum(counts(tree)) == 4
    assert sum(len(files) for _, _, files in tree.classes) == 2 * (4 + val + test)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    class_tree(tmp_path, ["train", "test", "car", "ship"])
    assert sorted(name for name, _, _ in opened(tmp_path).classes) == ["car", "ship", "test", "train"]


def _shared(root: Path) -> None:
    for split, classes in (("train", ("a", "b", "c")), ("val", ("c", "d")), ("test", ("e", "f"))):
        class_tree(root / split, classes)


def _shared_by_val_and_test(root: Path) -> None:
    for split, classes in (("train", ("a", "b")), ("val", ("c", "d")), ("test", ("c", "d"))):
        class_tree(root / split, classes)


def _without_test(root: Path) -> None:
    for split, classes in (("train", ("a", "b")), ("val", ("c", "d"))):
        class_tree(root / split, classes)


def _single(root: Path) -> None:
    for split, classes in (("train", ("a", "b")), ("val", ("c",)), ("test", ("e", "f"))):
        class_tree(root / split, classes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: class_tree(root, names(1)), r"holds 1 class folders \(class00\); 3 are needed"),
        (lambda root: class_tree(root, names(2)), "holds 2 class folders"),
        (lambda root: class_tree(root / "train", names(2)), "train holds 2 class folders"),
        (_without_test, "has train/ but no test/"),
        (lambda root: None, "does not exist"),
        (lambda root: root.write_text("x"), "is neither a folder nor"),
        (_shared, r"class 'c' of .* is in both train/ and val/"),
        (_shared_by_val_and_test, r"class 'c' of .* is in both val/ and test/"),
        (_single, "val holds 1 class folder; 2 are needed"),
    ],
)
def test_layouts_that_are_refused(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    make(tmp_path / "tree")
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path / "tree")
    assert caught.value.hint
    assert str(tmp_path) in caught.value.message


def test_gray_and_colour_decide_channels_and_size(tmp_path: Path) -> None:
    for k, name in enumerate(names(3)):
        picture(tmp_path / "own" / name / "1.png", k)
        Image.new("RGB", (9, 9), (k, k, k)).save(tmp_path / "own" / name / "2.png")  # gray, stored as colour
    assert channels_of(opened(tmp_path / "own")) == 1
    gray = build(request(tmp_path / "own", size=0, channels=0))
    assert {images.shape for images in whole_classes(gray.classes).values()} == {(2, 28, 28, 1)}
    picture(tmp_path / "own" / "class01" / "9.png", (0, 50, 0))
    colour = whole_classes(build(request(tmp_path / "own", size=0, channels=0)).classes)
    images = next(found for (_, name), found in colour.items() if name == "class01")
    assert images.shape == (3, 84, 84, 3)
    assert (images[2] == (0, 50, 0)).all()


def test_an_image_that_cannot_be_read_has_no_colour(tmp_path: Path) -> None:
    for k, name in enumerate(names(3)):
        picture(tmp_path / "own" / name / "1.png", k)
        (tmp_path / "own" / name / "0.png").write_text("no image")
    cache = prepare("folder", source=tmp_path / "own", root=tmp_path, skip_bad=True)
    assert (cache.channels, cache.size, cache.account.count("left out")) == (1, 28, 3)


def test_every_kind_of_image(tmp_path: Path) -> None:
    source = class_tree(tmp_path / "own", names(3), images=1)
    kind = source / "class00"
    palette = Image.new("RGB", (20, 10), (200, 10, 10)).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(kind / "1.png")
    Image.new("RGBA", (20, 10), (9, 9, 9, 0)).save(kind / "2.png")
    Image.new("I;16", (20, 10), 257 * 100).save(kind / "3.png")
    Image.new("L", (20, 10), 60).save(kind / "4.png")
    turned = Image.new("RGB", (20, 10), (0, 0, 255))
    turned.paste((255, 0, 0), (0, 0, 10, 10))
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was turned by a quarter: what is stored left belongs on top
    turned.save(kind / "5.png", exif=exif)
    found = whole_classes(build(request(source, resize="stretch")).classes)
    images = next(images for (_, name), images in found.items() if name == "class00")
    flat = ((200, 10, 10), (255, 255, 255), (100, 100, 100), (60, 60, 60))
    for image, colour in zip(images[1:5], flat, strict=True):
        assert (image == colour).all()
    assert images[5, 0, 10, 0] > 240 > 15 > images[5, 19, 10, 0]


@pytest.mark.parametrize(
    ("resize", "top", "middle"),
    [("fit", (0, 0, 9), (0, 0, 9)), ("crop", (0, 9, 0), (0, 9, 0)), ("stretch", None, None)],
)
def test_size_channels_and_resize_are_followed(
    tmp_path: Path, resize: str, top: tuple[int, ...] | None, middle: tuple[int, ...] | None
) -> None:
    source = class_tree(tmp_path / "own", names(3))
    wide = Image.new("RGB", (60, 20), (0, 0, 9))
    wide.paste((0, 9, 0), (20, 0, 40, 20))
    wide.save(source / "class00" / "9.png")
    cache = prepare("folder", source=source, size=30, resize=resize, channels=3, shares=(40, 30, 30), root=tmp_path)
    assert (cache.size, cache.channels, cache.resize, cache.shares) == (30, 3, resize, "40/30/30")
    number = cache.class_names.index("class00")
    image = cache.load(np.arange(*cache.class_offset[number : number + 2]))[2]
    if resize == "stretch":
        assert (image[:, :8] == (0, 0, 9)).all() and (image[:, 12:18] == (0, 9, 0)).all()
    else:
        assert np.abs(image[0, 0].astype(int) - top).max() <= 1 and np.abs(image[15, 2].astype(int) - middle).max() <= 1
    for other in ({"resize": "fit" if resize != "fit" else "crop"}, {"channels": 1}, {"shares": (64, 16, 20)}):
        with pytest.raises(SettingsError, match=f"was prepared with {next(iter(other))}"):
            prepare("folder", source=source, size=30, root=tmp_path, **other)  # type: ignore[arg-type]
    assert prepare("folder", source=source, size=30, root=tmp_path) is cache


@pytest.mark.parametrize("name", ["own.csv", "own.zip", "own.tar.gz"])
def test_a_folder_may_be_called_like_a_file(tmp_path: Path, name: str) -> None:
    assert len(opened(class_tree(tmp_path / name, names(4))).classes) == 4


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz"])
def test_an_archive_is_read_as_the_folder_in_it(tmp_path: Path, ending: str) -> None:
    source = class_tree(tmp_path / "own", names(5))
    expected = prepare("folder", source=source, root=tmp_path)
    cache = prepare("folder", source=packed(source, tmp_path / f"more.{ending}"), root=tmp_path)
    assert (cache.dataset, cache.fingerprint) == ("more", expected.fingerprint)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".lock"]


NAMES_OF_SPLITS = [
    ("Training", "Validation", "Testing"),
    ("TRAIN", "dev", "Eval"),
    ("meta-train", "meta-val", "meta-test"),
    ("base", "val", "novel"),
    ("seg_train", "seg_val", "seg_test"),
    ("training_set", "validation_set", "test_set"),
    ("images_background", "valid", "images_evaluation"),
]


@pytest.mark.parametrize("called", NAMES_OF_SPLITS)
@pytest.mark.parametrize("around", ["", "mydata/mydata", "Bilder (1)"])
def test_splits_by_the_names_that_people_use(tmp_path: Path, called: tuple[str, ...], around: str) -> None:
    for (split, classes), name in zip(GIVEN, called, strict=True):
        class_tree(tmp_path / around / name, [f"{split}{one}" for one in names(classes)])
    (tmp_path / around / "LICENSE").write_text("free")
    asked = request(tmp_path)
    tree = open_tree(asked, tmp_path)
    assert counts(tree) == (3, 2, 2)
    assert {(split, name) for name, split, _ in tree.classes} == {
        (split, f"{split}/{split}{name}") for split, classes in GIVEN for name in names(classes)
    }
    account = asked.account.record()
    assert f"{called[0]}/ is train" in " ".join(account.understood)
    assert any("the data are in" in words for words in account.understood) == bool(around)
    assert [(one.fate, one.names) for one in account.noted] == [
        ("left out", (str(tmp_path / around / "LICENSE"),)),
    ]


def test_without_validation_some_training_classes_validate(tmp_path: Path) -> None:
    class_tree(tmp_path / "base", names(10))
    class_tree(tmp_path / "novel", ["x", "y"])
    tree = opened(tmp_path, seed=3)
    assert counts(tree) == (8, 2, 2)
    assert "2 of the 10 training classes validate, at random by seed 3" in tree.note
    chosen = {name for name, split, _ in tree.classes if split == "val"}
    assert chosen == {name for name, split, _ in opened(tmp_path, seed=3).classes if split == "val"}


def test_names_that_stand_for_the_same_split_are_refused(tmp_path: Path) -> None:
    for name in ("training", "base", "novel"):
        class_tree(tmp_path / name, [f"{name}{k}" for k in range(3)])
    with pytest.raises(DataError, match="base/ and training/, and both names stand for the same split"):
        opened(tmp_path)
    class_tree(tmp_path / "train", ["u", "v", "w"])  # the plain name goes before
    assert counts(opened(tmp_path))[2] == 3


def test_only_training_classes_are_divided(tmp_path: Path) -> None:
    class_tree(tmp_path / "train", names(5))
    for k in range(3):
        picture(tmp_path / "test" / f"{k}.jpg", k)
    asked = request(tmp_path)
    assert sum(counts(open_tree(asked, tmp_path))) == 5
    account = asked.account.record()
    assert account.understood == ("only train/ holds classes, which are divided",)
    assert [(one.count, one.names) for one in account.noted] == [(3, (str(tmp_path / "test") + "/",))]


@pytest.mark.parametrize("name", ["data", "other"])
def test_the_same_tree_twice_is_read_once(tmp_path: Path, name: str) -> None:
    for place in (tmp_path / "data", tmp_path / "data" / name):
        class_tree(place, names(4))
    asked = request(tmp_path / "data")
    tree = open_tree(asked, tmp_path / "data")
    assert [found for found, _, _ in tree.classes] == names(4)
    (noted,) = asked.account.record().noted
    assert (noted.fate, noted.count) == ("left out", 8)
    (tmp_path / "data" / name / "class00" / "more.png").write_bytes(b"x")
    with pytest.raises(DataError, match="hold the same folders, but not the same files"):
        opened(tmp_path / "data")


def test_every_file_is_read_or_accounted_for(tmp_path: Path) -> None:
    """Nothing is lost: the files on disk are those that were read, left out, or are duplicates."""
    source = class_tree(tmp_path / "own", names(4), images=3)
    (source / "class00" / ".DS_Store").write_text("x")
    (source / "class00" / ".hidden.png").write_text("x")
    (source / "class01" / "notes.txt").write_text("x")
    (source / "class01" / "scan.heic").write_bytes(b"x")
    (source / "class01" / "again.png").write_bytes((source / "class01" / "0.png").read_bytes())
    (source / "class02" / "lost.png").symlink_to("nowhere")
    (source / "class02" / "circle.png").symlink_to("circle.png")
    os.mkfifo(source / "class02" / "pipe.png")
    picture(source / "class03" / "inner" / "deep.png", (1, 2, 3))
    picture(source / "loose.png", 5)
    (source / "readme").write_text("x")
    (source / "class03" / "bad.png").write_bytes(b"no image")
    cache = prepare("folder", source=source, root=tmp_path / "cache", skip_bad=True)
    account = cache.account
    assert account is not None
    met = sum(not path.is_dir() for path in source.rglob("*"))
    assert account.read + account.count("left out") + account.count("duplicate") == met
    assert account.read == 13 == sum(split["images"] for split in cache.summary().values())
    assert {one.why for one in account.noted if one.fate == "left out"} == {
        "files or folders that a system left",
        "hidden files or folders",
        "files that are no images",
        "images of a format that is not read, .heic",
        "links that lead nowhere or in a circle",
        "pipes, sockets or devices",
        "images beside the class folders, which belong to no class",
        "images that cannot be read",
    }
    assert cache.account == open_cache(cache.path).account


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    source = class_tree(tmp_path / "own", names(3), images=1)
    class_tree(tmp_path / "elsewhere", ["far"])
    (source / "far").symlink_to(tmp_path / "elsewhere" / "far")
    (source / "class00" / "up").symlink_to("..")
    (source / "class01" / "self").symlink_to(".")
    (source / "class02" / "1.png").symlink_to(tmp_path / "elsewhere" / "far" / "0.png")
    asked = request(source)
    tree = open_tree(asked, source)
    assert {name: len(files) for name, _, files in tree.classes} == {"class00": 1, "class01": 1, "class02": 2, "far": 2}
    (noted,) = asked.account.record().noted
    assert (noted.why, noted.count) == ("links to a folder that is read already", 2)


@pytest.mark.parametrize(("invert", "expected"), [(None, (250, 10)), ("yes", (5, 245)), ("auto", (5, 10))])
def test_images_are_inverted_where_that_is_asked(tmp_path: Path, invert: str | None, expected: tuple[int, int]) -> None:
    for k, name in enumerate(names(3)):
        for file, value in (("1", 250), ("2", 10)):
            picture(tmp_path / "own" / name / f"{file}.png", value + (0, -1, 1)[k], (28, 28))
    cache = prepare("folder", source=tmp_path / "own", root=tmp_path, invert=invert)
    first = cache.class_offset[cache.class_names.index("class00")]
    assert tuple(cache.load(np.array([first, first + 1]))[:, 0, 0, 0]) == expected
    assert cache.account is not None and cache.invert == (invert or "no")
    turned = sum(one.count for one in cache.account.noted if "inverted" in one.why)
    assert turned == {None: 0, "yes": 6, "auto": 3}[invert]
    with pytest.raises(SettingsError, match="was prepared with invert"):
        prepare("folder", source=tmp_path / "own", root=tmp_path, invert="no" if invert else "yes")
    with pytest.raises(SettingsError, match="--invert does not apply to fc100"):
        prepare("fc100", invert="yes", root=tmp_path)
