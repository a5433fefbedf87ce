"""mini-ImageNet in its four usual layouts."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import (
    class_tree,
    facts,
    image_bytes,
    notes,
    packed,
    python2_pickle,
    request,
    whole_classes,
)
from tnas_cli.episodes import registry
from tnas_cli.episodes.dataset import IMAGENET_MEAN
from tnas_cli.episodes.mini_imagenet import build
from tnas_cli.episodes.mini_imagenet_classes import mini_imagenet_split
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.events import Event

SPLIT = mini_imagenet_split()
OF = {part: [name for name in SPLIT if SPLIT[name] == part][:2] for part in ("train", "val", "test")}
EACH = 3

#: {(split, class): the red of its images}; every image has a different red.
Reds = dict[tuple[str, str], list[int]]
EXPECTED: Reds = {
    (part, name): [20 * (2 * k + i) + j for j in range(EACH)]
    for k, (part, names) in enumerate(OF.items())
    for i, name in enumerate(names)
}


def reds(source: Path, events: list[Event] | None = None) -> Reds:
    """What is read from a source."""
    found = whole_classes(build(request(source, events, size=84, resize="stretch")).classes)
    assert {images.shape[1:] for images in found.values()} == {(84, 84, 3)}
    return {key: images[:, 40, 40, 0].tolist() for key, images in found.items()}


def stored(path: Path, red: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes((red, 5, 5), (84, 84)))


def lists(root: Path, rows: Callable[[str, str], Iterable[str]]) -> Path:
    """train.csv, val.csv and test.csv; `rows` gives the files of a class."""
    root.mkdir(parents=True, exist_ok=True)
    for part, names in OF.items():
        lines = [f"{file},{name}" for name in names for file in rows(part, name)]
        (root / f"{part}.csv").write_text("\n".join(["filename,label", *lines]) + "\n")
    return root


def listed(root: Path) -> Path:
    """(a) images/ and three lists."""
    for (_, name), values in EXPECTED.items():
        for k, red in enumerate(values, start=1):
            stored(root / "images" / f"{name}{k:08d}.jpg", red)
    return lists(root, lambda part, name: [f"{name}{k:08d}.jpg" for k in range(1, EACH + 1)])


def flat(root: Path) -> Path:
    """(b) class folders alone."""
    for (_, name), values in EXPECTED.items():
        for k, red in enumerate(values):
            stored(root / name / f"{k}.jpg", red)
    return root


def divided(root: Path) -> Path:
    """(b) class folders below train/, val/ and test/."""
    for (part, name), values in EXPECTED.items():
        for k, red in enumerate(values):
            stored(root / part / name / f"{k}.jpg", red)
    return root


def by_images(root: Path) -> Path:
    """(b) train/ and val/ with different images of all classes."""
    for (_, name), values in EXPECTED.items():
        for k, red in enumerate(values):
            stored(root / ("train" if k < EACH - 1 else "val") / name / f"{k}.jpg", red)
    return root


def pickles(root: Path, dump: Callable[[object], bytes], rows_as: Callable[[list[int]], object] = list) -> Path:
    """(c) the three pickles: all images of a split in one array, and the rows of each class."""
    root.mkdir(parents=True, exist_ok=True)
    for part, names in OF.items():
        order = [(name, k) for k in range(EACH) for name in names]  # the classes alternate
        data = np.full((len(order), 84, 84, 3), 5, dtype=np.uint8)
        for row, (name, k) in enumerate(order):
            data[row, ..., 0] = EXPECTED[part, name][k]
        classes = {name: rows_as([row for row, (own, _) in enumerate(order) if own == name]) for name in names}
        content = {"image_data": data, "class_dict": classes}
        (root / f"mini-imagenet-cache-{part}.pkl").write_bytes(dump(content))
    return root


def _python2(content: object) -> bytes:
    def old(value: object) -> object:
        return {key.encode(): old(item) for key, item in value.items()} if isinstance(value, dict) else value

    return python2_pickle(old(content))


#: The numbers of ILSVRC's files: the order of the numbers is not the order of the names.
NUMBERS = (7, 10, 100, 1002, 95)


def ilsvrc(root: Path, below: str = "") -> Path:
    """(d) ILSVRC's training folders; images at even places of each class, and further classes, are not used."""
    wanted = sorted(NUMBERS)[::2]
    for (_, name), values in EXPECTED.items():
        for number in NUMBERS:
            red = values[wanted.index(number)] if number in wanted else 255
            stored(root / below / name / f"{name}_{number}.JPEG", red)
        (root / below / name / "list.txt").write_text("not an image")
    stored(root / below / "n00000001" / "n00000001_1.JPEG", 255)
    return lists(root, lambda part, name: [f"{name}{place:08d}.jpg" for place in (1, 3, 5)])


def own_names(root: Path) -> Path:
    """(d) lists that hold ILSVRC's own file names."""
    ilsvrc(root)
    return lists(root, lambda part, name: [f"{name}_{number}.JPEG" for number in sorted(NUMBERS)[::2]])


LAYOUTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "images and lists": (listed, "images/ as the three lists name them"),
    "class folders": (flat, "class folders"),
    "class folders by split": (divided, "class folders below train/, val/, test/"),
    "class folders by image": (by_images, "below train/, val/, merged: they divide the images and not the classes"),
    "ILSVRC": (ilsvrc, "as the three lists choose them"),
    "ILSVRC below train/": (lambda root: ilsvrc(root, "train"), "as the three lists choose them"),
    "ILSVRC by its own names": (own_names, "as the three lists choose them"),
    "a zip of class folders": (lambda root: packed(divided(root / "mini"), root / "x.zip"), "class folders below"),
    "a tar.gz with lists": (lambda root: packed(listed(root / "mini"), root / "x.tar.gz"), "images/ as the three"),
    "pickles, protocol 2": (lambda root: pickles(root, lambda x: pickle.dumps(x, 2)), "the pickles"),
    "pickles, protocol 4": (lambda root: pickles(root, lambda x: pickle.dumps(x, 4)), "the pickles"),
    "pickles, protocol 5": (lambda root: pickles(root, lambda x: pickle.dumps(x, 5)), "the pickles"),
    "pickles of Python 2": (lambda root: pickles(root, _python2), "the pickles"),
    "rows as arrays": (lambda root: pickles(root, pickle.dumps, np.array), "the pickles"),
    "zipped pickles": (lambda root: packed(pickles(root / "mini", pickle.dumps), root / "x.zip"), "the pickles"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_images(tmp_path: Path, layout: str) -> None:
    make, words = LAYOUTS[layout]
    events: list[Event] = []
    assert reds(make(tmp_path), events) == EXPECTED
    assert words in notes(events)
    assert "holds 6 of mini-ImageNet's 100 classes and 18 of its 60,000 images" in notes(events)


def test_the_split_note_says_what_was_merged(tmp_path: Path) -> None:
    cache = registry.prepare("mini-imagenet", source=by_images(tmp_path / "own"), root=tmp_path)
    assert "64 / 16 / 20 (Ravi and Larochelle, 2017)" in cache.split_note
    assert "merged: they divide the images and not the classes" in cache.split_note
    assert (cache.size, cache.channels, cache.mean) == (84, 3, IMAGENET_MEAN)
    assert cache.summary()["val"] == {"classes": 2, "images": 6}


def test_large_images_are_stretched(tmp_path: Path) -> None:
    name = OF["train"][0]
    image = Image.new("RGB", (400, 100), (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, 200, 100))
    (tmp_path / name).mkdir()
    image.save(tmp_path / name / "1.JPEG")
    pixels = whole_classes(build(request(tmp_path, size=84, resize="stretch")).classes)["train", name][0].astype(int)
    assert np.abs(pixels[:, :40] - (200, 0, 0)).max() <= 8 and np.abs(pixels[:, 44:] - (0, 0, 200)).max() <= 8


def _with(make: Callable[[Path], Path], change: Callable[[Path], object]) -> Callable[[Path], Path]:
    def made(root: Path) -> Path:
        make(root)
        change(root)
        return root

    return made


def _unknown_class(root: Path) -> Path:
    for part in OF:
        (root / f"{part}.csv").write_text("filename,label\na.jpg,n01558993x\n")
    return root


def _emptied(root: Path) -> None:
    for path in (root / OF["val"][0]).glob("*.jpg"):
        path.unlink()


def _one_pickle(content: object) -> Callable[[Path], Path]:
    return _with(
        lambda root: pickles(root, pickle.dumps),
        lambda root: (root / "mini-imagenet-cache-val.pkl").write_bytes(pickle.dumps(content)),
    )


PIXELS = np.zeros((2, 84, 84, 3), np.uint8)
WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a stray class": (
        _with(flat, lambda root: class_tree(root, ["n00000001"])),
        r"1 classes that mini-ImageNet does not have .*n00000001",
    ),
    "a name that is no id": (_with(flat, lambda root: class_tree(root, ["cat"])), "cat is not named by a WordNet id"),
    "one list missing": (_with(listed, lambda root: (root / "val.csv").unlink()), r"has no val\.csv"),
    "one pickle missing": (
        _with(lambda root: pickles(root, pickle.dumps), lambda root: (root / "mini-imagenet-cache-test.pkl").unlink()),
        r"has no mini-imagenet-cache-test\.pkl",
    ),
    "a missing file": (
        _with(listed, lambda root: next((root / "images").glob("*02.jpg")).unlink()),
        r"csv, line \d+, names 'n\d{8}00000002\.jpg'",
    ),
    "a missing class": (
        lambda root: _unknown_class(ilsvrc(root)),
        r"line 2, names class n01558993x",
    ),
    "a place beyond the last": (
        lambda root: lists(ilsvrc(root), lambda part, name: [f"{name}00000006.jpg"]),
        r"line 2, names .*00000006\.jpg'; .* has 5 images",
    ),
    "a place before the first": (
        lambda root: lists(ilsvrc(root), lambda part, name: [f"{name}00000000.jpg"]),
        r"line 2, names .*00000000\.jpg'",
    ),
    "lists alone": (lambda root: lists(root, lambda part, name: ["a.jpg"]), "neither images/ nor class folders"),
    "a list without its column": (
        _with(listed, lambda root: (root / "val.csv").write_text("file,label\na,b\n")),
        r"val\.csv has no column 'filename'",
    ),
    "floats": (_one_pickle({"image_data": PIXELS / 255, "class_dict": {}}), "val.pkl has no uint8 'image_data'"),
    "no arrays": (_one_pickle({"a": 1}), "it holds a"),
    "rows beyond": (
        _one_pickle({"image_data": PIXELS, "class_dict": {"a": [2]}}),
        "'class_dict' of row numbers below 2",
    ),
    "names that are numbers": (_one_pickle({"image_data": PIXELS, "class_dict": {3: [0]}}), "has no 'class_dict'"),
    "no classes": (_one_pickle({"image_data": PIXELS}), "no 'class_dict'"),
    "an empty class": (
        _with(flat, _emptied),
        "holds no image",
    ),
    "an empty folder": (lambda root: root, "holds 0 class folders"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    make, words = WRONG[name]
    with pytest.raises(DataError, match=words) as caught:
        build(request(make(tmp_path)))
    assert caught.value.hint and str(tmp_path) in caught.value.message


def test_it_needs_a_source(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mini-imagenet cannot be downloaded; it needs --source"):
        registry.prepare("mini-imagenet", root=tmp_path)
    with pytest.raises(DataError, match="it cannot be downloaded") as caught:
        registry.ensure("mini-imagenet", root=tmp_path)
    assert "tnas prepare-data mini-imagenet --source DIR" in caught.value.hint


def test_the_split() -> None:
    assert Counter(SPLIT.values()) == {"train": 64, "val": 16, "test": 20}
    assert {name: part for part, names in facts("mini_imagenet_split.json").items() for name in names} == SPLIT
