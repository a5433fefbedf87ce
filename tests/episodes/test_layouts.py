"""Every layout in which people have a known data set gives the same cache: images, classes, order and split."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.episodes.small_data import omniglot_tree, packed, python2_pickle, zip_of
from tnas_cli.episodes import registry, unfolding
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.cifar_classes import CIFAR100, cifar_fs_split, fc100_split
from tnas_cli.episodes.mini_imagenet_classes import mini_imagenet_split
from tnas_cli.errors import DataError

Pixels = npt.NDArray[np.uint8]
#: {class: images [n, H, W, 3]}, the training images before the test images.
Images = dict[str, Pixels]
PARTS = ("train", "val", "test")


def prepared(name: str, source: Path, root: Path, protocol: str | None = None) -> ImageCache:
    """The cache of a source, of the size that the data set has by default."""
    return registry.prepare(name, source=source, root=root / f"cache of {source.name}", protocol=protocol, force=True)


def classes_of(split: dict[str, str], each: int = 2) -> list[str]:
    """The first classes of each split, in the order of `split`."""
    return [name for part in PARTS for name in [name for name in split if split[name] == part][:each]]


def images_of(names: list[str], side: int, each: int = 3) -> Images:
    generator = np.random.default_rng(0)
    return {name: generator.integers(0, 256, (each, side, side, 3), dtype=np.uint8) for name in names}


def stored(root: Path, images: Images, part: Callable[[str], str] = lambda name: "", ending: str = "png") -> Path:
    """Class folders, below the folder that `part` gives for a class."""
    for name, found in images.items():
        folder = root / part(name) / name
        folder.mkdir(parents=True, exist_ok=True)
        for k, pixels in enumerate(found):
            Image.fromarray(pixels).save(folder / f"{k}.{ending}")
    return root


def pickled(path: Path, content: object, *, old: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2_pickle(content) if old else pickle.dumps(content))


def moved(source: Path, target: Path) -> Path:
    """A source somewhere else, so that another folder stands around it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    return target


# ---- Omniglot -------------------------------------------------------------------------------------------------------


def torchmeta_omniglot(root: Path, *, compression: str | None = None) -> Path:
    """torchmeta's root: omniglot/data.hdf5 with ink bright on dark, and lists of labels."""
    tree = omniglot_tree(root / "tree")
    folder = root / "torchmeta" / "omniglot"
    folder.mkdir(parents=True)
    with h5py.File(folder / "data.hdf5", "w") as file:
        for character in sorted(path for path in tree.glob("*/*/*") if path.is_dir()):
            drawings = [255 - np.asarray(Image.open(path).convert("L")) for path in sorted(character.glob("*.png"))]
            name = str(character.relative_to(tree))
            file.create_dataset(name, data=np.stack(drawings), compression=compression)
    (folder / "train_labels.json").write_text(json.dumps([["images_background", "Latin", "character01"]]))
    shutil.rmtree(tree)
    return root / "torchmeta"


def torchvision_omniglot(root: Path) -> Path:
    tree = omniglot_tree(root / "torchvision" / "omniglot-py")
    for part in ("images_background", "images_evaluation"):
        zip_of(tree, part, tree)
    return root / "torchvision"


def alphabets(root: Path) -> Path:
    """All alphabets in one folder, as Prototypical Networks have them."""
    tree = omniglot_tree(root / "tree")
    for folder in tree.glob("*/*"):
        for character in folder.iterdir():
            moved(character, root / "data" / folder.name / character.name)
    return root / "data"


def cloned(root: Path) -> Path:
    """The repository of the data set: python/ with the zips, and other files."""
    tree = omniglot_tree(root / "tree")
    for part in ("images_background", "images_evaluation"):
        zip_of(tree, part, root / "omniglot" / "python")
    (root / "omniglot" / "matlab").mkdir()
    (root / "omniglot" / "README.md").write_text("Omniglot")
    shutil.rmtree(tree)
    return root / "omniglot"


def both_in_a_zip(root: Path) -> Path:
    return packed(cloned(root), root / "clone.zip")


OMNIGLOT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "torchvision's root": (torchvision_omniglot, "the data set is in "),
    "torchmeta's root": (torchmeta_omniglot, "data.hdf5 is torchmeta's, with ink bright on dark"),
    "torchmeta's HDF5, compressed": (lambda root: torchmeta_omniglot(root, compression="gzip"), "is torchmeta's"),
    "torchmeta's root in a zip": (lambda root: packed(torchmeta_omniglot(root), root / "t.zip"), "is torchmeta's"),
    "torchmeta's root in a tar": (lambda root: packed(torchmeta_omniglot(root), root / "t.tar"), "is torchmeta's"),
    "all alphabets in one folder": (
        alphabets,
        "holds the alphabets of images_background and images_evaluation together",
    ),
    "the repository": (cloned, "the data set is in "),
    "the repository in a zip": (both_in_a_zip, "the data set is in "),
}


@pytest.mark.parametrize("layout", OMNIGLOT)
def test_omniglot(tmp_path: Path, layout: str) -> None:
    make, words = OMNIGLOT[layout]
    expected = prepared("omniglot", omniglot_tree(tmp_path / "official"), tmp_path, "vinyals")
    cache = prepared("omniglot", make(tmp_path / "other"), tmp_path, "vinyals")
    assert cache.fingerprint == expected.fingerprint
    assert any(words in line for line in cache.account.understood)


# ---- CIFAR-100 ------------------------------------------------------------------------------------------------------

FC100, CIFAR_FS = fc100_split(), cifar_fs_split()
COUNTS = (2, 1)  # training and test images of a class


def cifar_images(split: dict[str, str]) -> Images:
    return images_of(classes_of(split), 32, sum(COUNTS))


def cifar_rows(images: Images, part: str) -> dict[bytes, object]:
    chosen = {name: found[: COUNTS[0]] if part == "train" else found[COUNTS[0] :] for name, found in images.items()}
    rows = np.concatenate(list(chosen.values())).transpose(0, 3, 1, 2).reshape(-1, 3072)
    labels = [CIFAR100.index(name) for name, found in chosen.items() for _ in found]
    return {b"data": np.ascontiguousarray(rows), b"fine_labels": labels, b"batch_label": b"x"}


def official_cifar(root: Path, images: Images) -> Path:
    folder = root / "cifar-100-python"
    for part in ("train", "test"):
        pickled(folder / part, cifar_rows(images, part), old=True)
    pickled(folder / "meta", {b"fine_label_names": [name.encode() for name in CIFAR100]}, old=True)
    return folder


def torchvision_cifar(root: Path, images: Images) -> Path:
    folder = official_cifar(root / "data", images)
    packed(folder, root / "data" / "cifar-100-python.tar.gz")
    return root / "data"


def archive_alone(root: Path, images: Images) -> Path:
    torchvision_cifar(root, images)
    shutil.rmtree(root / "data" / "cifar-100-python")
    (root / "data" / "other").mkdir()
    return root / "data"


def torchmeta_cifar(root: Path, images: Images, chunks: bool | None = None) -> Path:
    """torchmeta's root: cifar100/data.hdf5, <superclass>/<class>, and the lists of the two splits."""
    folder = root / "torchmeta" / "cifar100"
    folder.mkdir(parents=True)
    with h5py.File(folder / "data.hdf5", "w") as file:
        for k, (name, found) in enumerate(images.items()):
            file.create_dataset(f"super{k % 2}/{name}", data=found, chunks=chunks)
    for protocol in ("fc100", "cifar-fs"):
        (folder / protocol).mkdir()
        (folder / protocol / "train_labels.json").write_text("[]")
    (folder / "fine_names.json").write_text("{}")
    return root / "torchmeta"


def few_shot_pickles(root: Path, images: Images, stem: str, split: dict[str, str], val: str = "val") -> Path:
    for part in PARTS:
        chosen = {name: found for name, found in images.items() if split[name] == part}
        labels = [CIFAR100.index(name) for name, found in chosen.items() for _ in found]
        content = {"data": np.concatenate(list(chosen.values())), "labels": labels}
        pickled(root / "few" / f"{stem}_{val if part == 'val' else part}.pickle", content, old=False)
    return root / "few"


def processed(root: Path, images: Images) -> Path:
    """learn2learn's cifarfs/: class folders below processed/<split>/."""
    stored(root / "l2l" / "cifarfs" / "processed", images, CIFAR_FS.__getitem__)
    return root / "l2l"


def bertinetto(root: Path, images: Images) -> Path:
    """The archive of CIFAR-FS: cifar100/data/<class>/ and lists of classes."""
    stored(root / "cifar100" / "data", images)
    lists = root / "cifar100" / "splits" / "bertinetto"
    lists.mkdir(parents=True)
    for part in PARTS:
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in images if CIFAR_FS[name] == part))
    return packed(root / "cifar100", root / "cifar100.zip")


CIFAR: dict[str, tuple[str, Callable[[Path, Images], Path], str]] = {
    "torchvision's root": ("fc100", torchvision_cifar, "the data set is in "),
    "torchvision's root without the folder": ("fc100", archive_alone, "the data set is in "),
    "torchvision's root in a zip": (
        "cifar-fs",
        lambda root, images: packed(torchvision_cifar(root, images), root / "data.zip"),
        "the data set is in ",
    ),
    "torchmeta's root for fc100": ("fc100", torchmeta_cifar, "data.hdf5 is torchmeta's"),
    "torchmeta's root for cifar-fs": ("cifar-fs", torchmeta_cifar, "data.hdf5 is torchmeta's"),
    "torchmeta's HDF5 in chunks": ("fc100", lambda root, images: torchmeta_cifar(root, images, True), "torchmeta's"),
    "FC100_train.pickle, ...": (
        "fc100",
        lambda root, images: few_shot_pickles(root, images, "FC100", FC100),
        "holds pickles of few-shot tasks, train, val, test",
    ),
    "FC100 in a zip": (
        "fc100",
        lambda root, images: packed(few_shot_pickles(root, images, "FC100", FC100), root / "FC100.zip"),
        "holds pickles of few-shot tasks",
    ),
    "CIFAR_FS_train.pickle, ...": (
        "cifar-fs",
        lambda root, images: few_shot_pickles(root, images, "CIFAR_FS", CIFAR_FS),
        "holds pickles of few-shot tasks",
    ),
    "cifar-fs_validation.pickle": (
        "cifar-fs",
        lambda root, images: few_shot_pickles(root, images, "cifar-fs", CIFAR_FS, "validation"),
        "holds pickles of few-shot tasks",
    ),
    "learn2learn's cifarfs/": ("cifar-fs", processed, "the data set is in "),
    "the archive of CIFAR-FS": ("cifar-fs", bertinetto, "the data set is in "),
    "a tree that occurs twice": (
        "fc100",
        lambda root, images: stored(stored(root / "cifar", images) / "cifar", images).parent,
        "",
    ),
}


@pytest.mark.parametrize("layout", CIFAR)
def test_cifar_100(tmp_path: Path, layout: str) -> None:
    name, make, words = CIFAR[layout]
    images = cifar_images(FC100 if name == "fc100" else CIFAR_FS)
    expected = prepared(name, official_cifar(tmp_path / "official", images), tmp_path)
    cache = prepared(name, make(tmp_path / "other", images), tmp_path)
    assert cache.fingerprint == expected.fingerprint
    assert not words or any(words in line for line in cache.account.understood)


def test_pickles_that_number_classes_in_another_way_are_refused(tmp_path: Path) -> None:
    images = cifar_images(FC100)
    few_shot_pickles(tmp_path, images, "FC100", FC100)
    content = pickle.loads((tmp_path / "few" / "FC100_val.pickle").read_bytes())
    content["labels"] = [label % 20 + 60 for label in content["labels"]]
    pickled(tmp_path / "few" / "FC100_val.pickle", content)
    with pytest.raises(DataError, match=r"FC100_val\.pickle numbers its classes in another way .* names are lost"):
        prepared("fc100", tmp_path / "few", tmp_path)


def test_cifar_10_of_torchvision_and_of_a_repository_of_images(tmp_path: Path) -> None:
    """The archive's name and its folder's differ: cifar-10-python.tar.gz holds cifar-10-batches-py/."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    rows = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        pickled(folder / name, {b"data": rows, b"labels": [k % 10 for k in range(20)]}, old=True)
    expected = prepared("cifar10", folder, tmp_path)
    packed(folder, tmp_path / "data" / "cifar-10-python.tar.gz")
    assert prepared("cifar10", tmp_path / "data", tmp_path).fingerprint == expected.fingerprint
    shutil.rmtree(folder)
    assert prepared("cifar10", tmp_path / "data", tmp_path).fingerprint == expected.fingerprint


# ---- mini-ImageNet --------------------------------------------------------------------------------------------------

SPLIT = mini_imagenet_split()


def mini_images() -> Images:
    return images_of(classes_of(SPLIT), 84)


def of_split(images: Images, part: str) -> Images:
    return {name: found for name, found in images.items() if SPLIT[name] == part}


def caches(root: Path, images: Images, val: str = "val") -> Path:
    for part in PARTS:
        chosen = of_split(images, part)
        rows, at = {}, 0
        for name, found in chosen.items():
            rows[name], at = list(range(at, at + len(found))), at + len(found)
        content = {"image_data": np.concatenate(list(chosen.values())), "class_dict": rows}
        pickled(root / "caches" / f"mini-imagenet-cache-{val if part == 'val' else part}.pkl", content)
    pickled(root / "caches" / "mini-imagenet-bookkeeping-train.pkl", {})
    return root / "caches"


def gidaris(root: Path, images: Images, *, old: bool = False) -> Path:
    """MetaOptNet's pickles, with numbers for classes and further images of the training classes."""
    number = {name: k for k, name in enumerate(images)}
    for part in PARTS:
        chosen = of_split(images, part)
        labels = [number[name] for name, found in chosen.items() for _ in found]
        content = {
            b"data": np.concatenate(list(chosen.values())),
            b"labels": labels,
            b"catname2label": {name.encode(): number[name] for name in chosen},
        }
        name = "train_phase_train" if part == "train" else part
        new = {key.decode(): value for key, value in content.items()}
        new["catname2label"] = {name: number[name] for name in chosen}
        pickled(root / "mini" / f"miniImageNet_category_split_{name}.pickle", content if old else new, old=old)
    pickled(root / "mini" / "miniImageNet_category_split_train_phase_val.pickle", {"data": []})
    return root / "mini"


def torchmeta_mini(root: Path, images: Images) -> Path:
    folder = root / "torchmeta" / "miniimagenet"
    folder.mkdir(parents=True)
    for part in PARTS:
        with h5py.File(folder / f"{part}_data.hdf5", "w") as file:
            for name, found in of_split(images, part).items():
                file.create_dataset(f"datasets/{name}", data=found)
        (folder / f"{part}_labels.json").write_text(json.dumps(sorted(of_split(images, part))))
    return root / "torchmeta"


def listed(root: Path, images: Images, lists: str = "") -> Path:
    """images/ and the three lists of Ravi and Larochelle, which may lie in a folder of their own."""
    (root / "mini" / "images").mkdir(parents=True)
    (root / "mini" / lists).mkdir(exist_ok=True)
    for part in PARTS:
        lines = ["filename,label"]
        for name, found in of_split(images, part).items():
            for k, pixels in enumerate(found, start=1):
                Image.fromarray(pixels).save(root / "mini" / "images" / f"{name}{k:08d}.png")
                lines.append(f"{name}{k:08d}.png,{name}")
        (root / "mini" / lists / f"{part}.csv").write_text("\n".join(lines) + "\n")
    return root / "mini"


def kaggle(root: Path, images: Images) -> Path:
    """A folder in a folder of the same name, in an archive."""
    stored(root / "archive" / "miniimagenet" / "miniimagenet", images, SPLIT.__getitem__)
    return packed(root / "archive", root / "archive.zip")


def other_names(root: Path, images: Images) -> Path:
    names = {"train": "Base", "val": "Validation", "test": "novel"}
    return stored(root / "mini", images, lambda name: names[SPLIT[name]])


def zips_of_splits(root: Path, images: Images) -> Path:
    stored(root / "tree", images, SPLIT.__getitem__)
    for part in PARTS:
        packed(root / "tree" / part, root / "zips" / f"{part}.zip")
    return root / "zips"


MINI: dict[str, tuple[Callable[[Path, Images], Path], str]] = {
    "the caches of Ren et al.": (caches, "the pickles mini-imagenet-cache-train.pkl"),
    "learn2learn's caches": (
        lambda root, images: caches(root, images, "validation"),
        "the pickles mini-imagenet-cache",
    ),
    "caches in a tar.gz": (lambda root, images: packed(caches(root, images), root / "m.tar.gz"), "the pickles mini-i"),
    "MetaOptNet's pickles": (gidaris, "the pickles miniImageNet_category_split_train_phase_train.pickle"),
    "MetaOptNet's pickles of Python 2": (lambda root, images: gidaris(root, images, old=True), "the pickles miniImage"),
    "MetaOptNet's in a zip": (lambda root, images: packed(gidaris(root, images), root / "m.zip"), "the pickles miniI"),
    "torchmeta's root": (torchmeta_mini, "torchmeta's train_data.hdf5"),
    "torchmeta's root in a zip": (lambda root, images: packed(torchmeta_mini(root, images), root / "m.zip"), "torchm"),
    "images and lists": (listed, "images/ as the three lists name them"),
    "lists in a folder of their own": (lambda root, images: listed(root, images, "split"), "images/ as the three"),
    "Kaggle's doubled folder": (kaggle, "class folders below train/, val/, test/"),
    "splits under other names": (other_names, "class folders below Base/, Validation/, novel/"),
    "a zip for each split": (zips_of_splits, "class folders below train/, val/, test/"),
    "class folders twice": (
        lambda root, images: stored(stored(root / "mini", images) / "mini", images).parent,
        "class folders",
    ),
}


@pytest.mark.parametrize("layout", MINI)
def test_mini_imagenet(tmp_path: Path, layout: str) -> None:
    make, words = MINI[layout]
    images = mini_images()
    expected = prepared("mini-imagenet", stored(tmp_path / "official", images), tmp_path)
    cache = prepared("mini-imagenet", make(tmp_path / "other", images), tmp_path)
    assert cache.fingerprint == expected.fingerprint
    assert words in cache.split_note


def renumbered(root: Path) -> Path:
    folder = gidaris(root, mini_images())
    path = folder / "miniImageNet_category_split_val.pickle"
    content = pickle.loads(path.read_bytes())
    del content["catname2label"]
    pickled(path, content)
    return folder


def graph_networks(root: Path) -> Path:
    pickled(root / "dpgn" / "mini_imagenet_train.pickle", {0: []})
    return root / "dpgn"


def damaged_hdf5(root: Path) -> Path:
    folder = torchmeta_mini(root, mini_images())
    path = folder / "miniimagenet" / "val_data.hdf5"
    path.write_bytes(path.read_bytes()[:2000])
    return folder


def one_missing(root: Path) -> Path:
    folder = torchmeta_mini(root, mini_images())
    (folder / "miniimagenet" / "val_data.hdf5").unlink()
    return folder


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "MetaOptNet's without names": (renumbered, r"_val\.pickle names class number 2 None, .* split cannot be checked"),
    "those of graph networks": (graph_networks, r"mini_imagenet_train\.pickle numbers its classes, .* names are lost"),
    "a damaged HDF5": (damaged_hdf5, r"val_data\.hdf5 cannot be read as an HDF5 file"),
    "an HDF5 too few": (one_missing, r"has no val_data\.hdf5"),
}


@pytest.mark.parametrize("layout", REFUSED)
def test_what_mini_imagenet_cannot_be_read_from(tmp_path: Path, layout: str) -> None:
    make, words = REFUSED[layout]
    with pytest.raises(DataError, match=words):
        prepared("mini-imagenet", make(tmp_path), tmp_path)


# ---- Any of them ----------------------------------------------------------------------------------------------------


def test_what_is_not_used_is_named(tmp_path: Path) -> None:
    cache = prepared("omniglot", torchmeta_omniglot(tmp_path), tmp_path, "vinyals")
    (left,) = [one for one in cache.account.noted if one.fate == "left out"]
    assert (left.why, left.count) == ("files that the data set does not need", 1)
    assert left.names[0].endswith("omniglot/train_labels.json")


def test_a_data_set_that_is_there_twice_is_read_once(tmp_path: Path) -> None:
    images = cifar_images(FC100)
    for name in ("a", "b"):
        stored(tmp_path / "data" / name, images)
    cache = prepared("fc100", tmp_path / "data", tmp_path)
    assert cache.account.read == sum(map(len, images.values()))
    assert any("hold the data set once more" in line and "/b/" in line for line in cache.account.lines())


def test_an_archive_that_has_nothing_to_do_with_it_does_not_matter(tmp_path: Path) -> None:
    stored(tmp_path / "data" / "inner" / "cifar", cifar_images(FC100))
    (tmp_path / "data" / "broken.zip").write_text("no zip")
    assert prepared("fc100", tmp_path / "data", tmp_path).account.read > 0
    shutil.rmtree(tmp_path / "data" / "inner")
    with pytest.raises(DataError, match=r"broken\.zip cannot be read as an archive"):
        prepared("fc100", tmp_path / "data", tmp_path)


def test_torchmeta_in_a_zip_leaves_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    source = packed(torchmeta_cifar(tmp_path, cifar_images(FC100)), tmp_path / "t.zip")
    with zipfile.ZipFile(source) as archive:
        assert any(name.endswith("data.hdf5") for name in archive.namelist())
    assert prepared("fc100", source, tmp_path).account.read == 18
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_hdf5_that_unpacks_to_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfolding, "FREE", 2**20)
    folder = tmp_path / "cifar100"
    folder.mkdir()
    with h5py.File(folder / "data.hdf5", "w") as file:
        data = np.zeros((4000, 32, 32, 3), np.uint8)  # 12 MB of zeros
        file.create_dataset("super/apple", data=data, compression="gzip", chunks=(1000, 32, 32, 3))
    with pytest.raises(DataError, match=r"data\.hdf5/super/apple unpacks to more than 200 times its size"):
        prepared("fc100", folder, tmp_path)
