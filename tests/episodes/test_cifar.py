"""CIFAR-10 and CIFAR-100 in all their usual layouts; FC100 and CIFAR-FS."""

from __future__ import annotations

import pickle
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.episodes.small_data import (
    class_tree,
    facts,
    notes,
    packed,
    picture,
    python2_pickle,
    real_data,
    request,
    whole_classes,
)
from tnas_cli.episodes import registry
from tnas_cli.episodes.cifar import build_cifar10, build_cifar_fs, build_fc100
from tnas_cli.episodes.cifar_classes import CIFAR10, CIFAR100, cifar_fs_split, fc100_split
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Event

#: Classes of all three splits of FC100, in no order; one has the name of a part.
NAMES = ("train", "whale", "apple", "bear", "woman")
COUNTS = {"train": 3, "test": 2}
Stored = dict[str, dict[str, np.ndarray]]


def stored(names: tuple[str, ...] = NAMES) -> Stored:
    """Random images [n, H, W, C] by part and class."""
    generator = np.random.default_rng(0)
    return {
        part: {name: generator.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8) for name in names}
        for part, n in COUNTS.items()
    }


def official(root: Path, images: Stored, python2: bool = False) -> Path:
    """The folder cifar-100-python as it is published: rows of 3072 values, colour by colour."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for part, classes in images.items():
        rows = np.concatenate(list(classes.values())).transpose(0, 3, 1, 2).reshape(-1, 3072)
        labels = [CIFAR100.index(name) for name, found in classes.items() for _ in found]
        order = np.random.default_rng(1).permutation(len(rows))
        content = {b"data": rows[order], b"fine_labels": [labels[i] for i in order], b"coarse_labels": [0] * len(rows)}
        data = python2_pickle(content) if python2 else pickle.dumps(content)
        (folder / part).write_bytes(data)
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": list(CIFAR100)}))
    return folder


def folders(root: Path, images: Stored, pooled: bool = False) -> Path:
    """Class folders of PNG files, below train/ and test/ unless they are pooled."""
    for part, classes in images.items():
        for name, found in classes.items():
            folder = root / ("" if pooled else part) / name
            folder.mkdir(parents=True, exist_ok=True)
            for i, pixels in enumerate(found):
                Image.fromarray(pixels).save(folder / f"{part}{i}.png")
    return root


def zips(root: Path, images: Stored) -> Path:
    tree = folders(root / "tree", images)
    for part in COUNTS:
        packed(tree / part, root / "zips" / f"{part}.zip")
    return root / "zips"


LAYOUTS: dict[str, Callable[[Path, Stored], Path]] = {
    "pickles": official,
    "pickles of Python 2": lambda root, images: official(root, images, python2=True),
    "the folder above the pickles": lambda root, images: official(root, images).parent,
    "tar.gz": lambda root, images: packed(official(root / "x", images), root / "cifar-100-python.tar.gz"),
    "tar.gz in a folder": lambda root, images: (
        packed(official(root / "x", images), root / "y" / "cifar-100-python.tar.gz").parent
    ),
    "class folders": folders,
    "zips": zips,
    "one zip": lambda root, images: packed(folders(root / "cifar", images), root / "all.zip"),
    "pooled": lambda root, images: folders(root / "pooled", images, pooled=True),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_very_pixels(tmp_path: Path, layout: str) -> None:
    images = stored()
    source = LAYOUTS[layout](tmp_path, images)
    events: list[Event] = []
    built = build_fc100(request(source, events, size=32))
    found = whole_classes(built.classes)
    assert {(split, name) for split, name in found} == {(fc100_split()[name], name) for name in NAMES}
    for (_, name), pixels in found.items():
        expected = np.concatenate([images[part][name] for part in COUNTS])
        assert sorted(image.tobytes() for image in pixels) == sorted(image.tobytes() for image in expected)
    assert "holds 5 of CIFAR-100's 100 classes and 25 of its 60,000 images" in notes(events)
    assert built.attributes.source == str(source.resolve())


def official10(root: Path, per_class: int = 12) -> Path:
    """The folder cifar-10-batches-py: five training files, one for testing."""
    folder = root / "cifar-10-python"
    folder.mkdir(parents=True)
    for k, name in enumerate(("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")):
        rows = np.repeat(np.arange(10, dtype=np.uint8)[:, None], 3072, axis=1) + 10 * k
        times = per_class // 4 if k < 4 else 0
        content = {b"data": np.tile(rows, (times, 1)), b"labels": list(range(10)) * times}
        (folder / name).write_bytes(pickle.dumps(content))
    rows = np.repeat(np.arange(200, 210, dtype=np.uint8)[:, None], 3072, axis=1)
    (folder / "test_batch").write_bytes(pickle.dumps({b"data": rows, b"labels": list(range(10))}))
    return folder


def test_cifar10_keeps_its_test_images_and_holds_a_tenth_out(tmp_path: Path) -> None:
    built = build_cifar10(request(official10(tmp_path, 20), size=32))
    found = whole_classes(built.classes)
    assert [name for split, name in found if split == "train"] == list(CIFAR10)
    for k, name in enumerate(CIFAR10):
        assert found["test", name][:, 0, 0, 0].tolist() == [200 + k]
        assert (len(found["train", name]), len(found["val", name])) == (18, 2)
        both = np.concatenate([found["train", name], found["val", name]])[:, 0, 0, 0]
        assert Counter(both.tolist()) == {10 * batch + k: 5 for batch in range(4)}
    again = whole_classes(build_cifar10(request(tmp_path, size=32)).classes)
    assert all((again[key] == images).all() for key, images in found.items())
    other = whole_classes(build_cifar10(request(tmp_path, size=32, seed=1)).classes)
    assert any((other[key] != images).any() for key, images in found.items())


def test_cifar10_from_class_folders(tmp_path: Path) -> None:
    for part, n in (("train", 10), ("test", 1)):
        class_tree(tmp_path / "own" / part, CIFAR10, images=n)
    cache = registry.prepare("cifar10", source=tmp_path / "own", root=tmp_path)
    assert cache.summary() == {
        "train": {"classes": 10, "images": 90},
        "val": {"classes": 10, "images": 10},
        "test": {"classes": 10, "images": 10},
    }


def _spoilt(part: str, **changes: Any) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        folder = official(root, stored())
        content = pickle.loads((folder / part).read_bytes())
        content |= {key.encode(): value for key, value in changes.items()}
        (folder / part).write_bytes(pickle.dumps(content))
        return folder

    return make


def _no_pickle(root: Path) -> Path:
    folder = official(root, stored())
    (folder / "test").write_text("hello")
    return folder


WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a stray class": (
        lambda root: folders(root, stored(("apple", "birds"))),
        "holds class 'birds', which CIFAR-100 does not have",
    ),
    "an empty folder": (lambda root: root, "holds 0 class folders"),
    "an empty class": (lambda root: (root / "apple").mkdir() or root, "apple holds no image"),
    "no such folder": (lambda root: root / "nowhere", "nowhere does not exist"),
    "other arrays": (_spoilt("train", data=np.zeros((15, 3071), np.uint8)), "train holds no images of CIFAR-100"),
    "floats": (_spoilt("train", data=np.zeros((15, 3072), np.float32)), "train holds no images of CIFAR-100"),
    "too few labels": (_spoilt("test", fine_labels=[1]), "test holds no labels"),
    "a label of 100": (_spoilt("test", fine_labels=[100] * 10), "test holds no labels"),
    "labels that are no numbers": (_spoilt("test", fine_labels=[[]] * 10), "test holds no labels"),
    "no pickle": (_no_pickle, "test is not a pickle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tmp_path: Path, name: str) -> None:
    make, words = WRONG[name]
    with pytest.raises(DataError, match=words) as caught:
        build_fc100(request(make(tmp_path), size=32))
    assert caught.value.hint


def test_cifar10_must_say_which_images_test(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not say which images are train"):
        build_cifar10(request(class_tree(tmp_path, CIFAR10), size=32))


def test_a_class_with_one_training_image_is_refused_by_name(tmp_path: Path) -> None:
    for part in COUNTS:
        class_tree(tmp_path / part, CIFAR10, images=2)
    (tmp_path / "train" / "airplane" / "1.png").unlink()
    with pytest.raises(DataError, match="'airplane'"):
        list(build_cifar10(request(tmp_path, size=32)).classes)


def test_the_splits() -> None:
    fs = cifar_fs_split()
    assert set(fs) == set(CIFAR100) == set(fc100_split())
    assert len(CIFAR100) == 100 and tuple(sorted(CIFAR100)) == CIFAR100
    assert Counter(fs.values()) == {"train": 64, "val": 16, "test": 20}
    assert Counter(fc100_split().values()) == {"train": 60, "val": 20, "test": 20}
    published = {item["class"]: split for split, classes in facts("fc100_split.json").items() for item in classes}
    assert fc100_split() == published


def test_cifar_fs_divides_otherwise(tmp_path: Path) -> None:
    source = folders(tmp_path, stored(CIFAR100))
    for build, split in ((build_cifar_fs, cifar_fs_split()), (build_fc100, fc100_split())):
        events: list[Event] = []
        found = whole_classes(build(request(source, events, size=32)).classes)
        assert {name: part for part, name in found} == split
        assert "holds 100 of CIFAR-100's 100 classes and 500 of" in notes(events)


def test_other_sizes(tmp_path: Path) -> None:
    picture(tmp_path / "own" / "apple" / "1.png", (1, 2, 3), (32, 32))
    found = whole_classes(build_fc100(request(tmp_path / "own", size=40)).classes)
    assert found["train", "apple"].shape == (1, 40, 40, 3)
    assert (found["train", "apple"] == (1, 2, 3)).all()


@pytest.mark.slow
@pytest.mark.real_data
def test_the_real_set(tmp_path: Path) -> None:
    source = real_data("cifar100", "train.zip")
    events: list[Event] = []
    cache = registry.prepare("fc100", source=source, root=tmp_path, listener=events.append)
    assert "60,000 images; using these" not in notes(events)
    assert cache.summary() == {
        "train": {"classes": 60, "images": 36_000},
        "val": {"classes": 20, "images": 12_000},
        "test": {"classes": 20, "images": 12_000},
    }
    assert dict(zip(cache.class_names, cache.class_splits, strict=True)) == fc100_split()
    with zipfile.ZipFile(source / "train.zip") as train, zipfile.ZipFile(source / "test.zip") as test:
        for number in (0, 31, 99):
            name, first = cache.class_names[number], int(cache.class_offset[number])
            members = [
                (archive, member)
                for archive in (train, test)
                for member in sorted(archive.namelist())
                if f"/{name}/" in member and not member.endswith("/")
            ]
            for i in (0, 250, 499, 500, 599):
                with members[i][0].open(members[i][1]) as file:
                    expected = np.asarray(Image.open(file).convert("RGB"))
                np.testing.assert_array_equal(cache.load(np.array([first + i]))[0], expected)
