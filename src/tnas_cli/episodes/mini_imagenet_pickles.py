"""mini-ImageNet as pickles: the caches of Ren et al. (2018), as learn2learn has them too, and those of MetaOptNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from tnas_cli.episodes.catalogue import Picture, from_rows
from tnas_cli.episodes.inside import leave
from tnas_cli.episodes.places import File, Folder
from tnas_cli.episodes.unpickle import PickledArray, unpickle, whole_numbers
from tnas_cli.errors import DataError

SPLITS = ("train", "val", "test")
CACHES = {
    "train": ("mini-imagenet-cache-train.pkl",),
    "val": ("mini-imagenet-cache-val.pkl", "mini-imagenet-cache-validation.pkl"),
    "test": ("mini-imagenet-cache-test.pkl",),
}
NUMBERED = {
    "train": ("miniImageNet_category_split_train_phase_train.pickle",),
    "val": ("miniImageNet_category_split_val.pickle",),
    "test": ("miniImageNet_category_split_test.pickle",),
}
#: Pickles of graph networks (EGNN, DPGN), which know classes by numbers alone.
LOST = re.compile(r"mini_imagenet_(train|val|test)\.pickle")

Found = tuple[dict[str, list[Picture]], str]
Files = dict[str, File | None]


def caches_in(files: dict[str, File]) -> Files | None:
    """The files of each split, if there is any."""
    return _among(files, CACHES)


def numbered_in(files: dict[str, File]) -> Files | None:
    """The same for MetaOptNet's."""
    return _among(files, NUMBERED)


def _among(files: dict[str, File], names: Mapping[str, tuple[str, ...]]) -> Files | None:
    found = {part: next((files[name] for name in names[part] if name in files), None) for part in SPLITS}
    return found if any(found.values()) else None


def read_caches(files: Files, folder: Folder, hint: str) -> Found:
    """Dicts with all images of a split, `image_data` [n, 84, 84, 3], and the rows of each class, `class_dict`."""
    found: dict[str, list[Picture]] = {}
    for part in SPLITS:
        file = _needed(files[part], CACHES[part][0], folder)
        content = unpickle(file)
        data, classes = _images(file, content, "image_data", hint), content.get("class_dict")
        rows_of = classes if isinstance(classes, dict) else {None: None}
        for name, listed in rows_of.items():
            rows = whole_numbers(listed, len(data))
            if rows is None or not isinstance(name, str):
                raise DataError(f"{file.label} has no 'class_dict' of row numbers below {len(data)}.", hint=hint)
            found.setdefault(name, []).extend(from_rows(f"{file.label}[{row}]", data, row) for row in rows)
    _leave(folder, files)
    return found, f"the pickles {CACHES['train'][0]}, ..."


def read_numbered(files: Files, folder: Folder, split: dict[str, str], hint: str) -> Found:
    """Dicts with `data` [n, 84, 84, 3], a number for each image, `labels`, and the WordNet ids of these numbers,
    `catname2label`. Further images of the training classes (`train_phase_val`, `train_phase_test`) are not
    mini-ImageNet's.
    """
    found: dict[str, list[Picture]] = {}
    for part in SPLITS:
        file = _needed(files[part], NUMBERED[part][0], folder)
        content = unpickle(file)
        data, labels = _images(file, content, "data", hint), whole_numbers(content.get("labels"), 2**31)
        named = content.get("catname2label")
        names = {number: name for name, number in named.items()} if isinstance(named, dict) else {}
        if labels is None or len(labels) != len(data):
            raise DataError(f"{file.label} has no 'labels' for its images.", hint=hint)
        for row, label in enumerate(labels):
            name = names.get(label)
            if not isinstance(name, str) or split.get(name) != part:
                raise DataError(
                    f"{file.label} names class number {label} {name!r}, which is none of mini-ImageNet's {part} "
                    "classes: the split cannot be checked.",
                    hint=hint,
                )
            found.setdefault(name, []).append(from_rows(f"{file.label}[{row}]", data, row))
    _leave(folder, files)
    return found, f"the pickles {NUMBERED['train'][0]}, ..."


def _needed(file: File | None, name: str, folder: Folder) -> File:
    if file is None:
        raise DataError(f"{folder.label} has no {name}.", hint="all three are needed")
    return file


def _images(file: File, content: dict[Any, Any], key: str, hint: str) -> PickledArray:
    data = content.get(key)
    if not isinstance(data, PickledArray) or data.dtype != np.uint8 or data.ndim != 4 or data.shape[3] != 3:
        holds = ", ".join(map(str, list(content)[:5]))
        raise DataError(f"{file.label} has no uint8 {key!r} [n, H, W, 3]; it holds {holds}.", hint=hint)
    return data


def _leave(folder: Folder, files: Files) -> None:
    leave(folder, {file.label.rsplit("/", 1)[-1] for file in files.values() if file is not None})
