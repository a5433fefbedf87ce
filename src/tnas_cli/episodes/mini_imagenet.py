"""mini-ImageNet (Vinyals et al., 2016; classes of Ravi and Larochelle, 2017) in the layouts that people have.

There is no lawful download. tnas reads images/ with three lists; class folders named by WordNet id; the three
mini-imagenet-cache pickles; and ILSVRC-2012's training folders with the three lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from tnas_cli.episodes.catalogue import ClassPictures, Picture, from_file, from_rows
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.dataset import IMAGENET_MEAN, IMAGENET_STD, Built, Request, built
from tnas_cli.episodes.formats import is_image_name
from tnas_cli.episodes.image_list import Row, read_rows
from tnas_cli.episodes.mini_imagenet_classes import mini_imagenet_split
from tnas_cli.episodes.places import File, Folder, open_place
from tnas_cli.episodes.unpickle import PickledArray, unpickle, whole_numbers
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Note

SPLITS = ("train", "val", "test")
WORDNET_ID = re.compile(r"n\d{8}")
LICENCE = "ImageNet's terms: non-commercial research and education only"
PER_CLASS, CLASSES = 600, 100
PICKLES = {split: f"mini-imagenet-cache-{split}.pkl" for split in SPLITS}
LISTS = {split: f"{split}.csv" for split in SPLITS}
LAYOUTS = (
    "--source is a folder (or archive) that holds one of: images/ with train.csv, val.csv and test.csv (columns "
    "filename, label); class folders named by WordNet id (n01532829/...), alone or below train/, val/ and test/; "
    "mini-imagenet-cache-train.pkl, -val.pkl and -test.pkl; or ILSVRC-2012's training folders (n01532829/*.JPEG, alone "
    "or below train/) with the three lists beside them"
)

#: {class: its pictures}, and a few words on the layout that was found.
Found = tuple[dict[str, list[Picture]], str]


def build(request: Request) -> Built:
    """mini-ImageNet, 64 / 16 / 20 classes, from whatever layout the source has."""
    if request.source is None:
        raise DataError("mini-imagenet cannot be downloaded; it needs --source.", hint=LAYOUTS)
    split = mini_imagenet_split()
    pictures, how = _read(open_place(request.source, LAYOUTS, request.account), split)
    stray = sorted(set(pictures) - set(split))
    if stray:
        raise DataError(
            f"{request.source} holds {len(stray)} classes that mini-ImageNet does not have ({', '.join(stray[:3])}).",
            hint="for all of ILSVRC-2012, put train.csv, val.csv and test.csv beside it: they choose 600 images of "
            "each of 100 classes; other images are read by: tnas prepare-data folder",
        )
    total = sum(map(len, pictures.values()))
    if (len(pictures), total) != (CLASSES, CLASSES * PER_CLASS):
        request.listener(
            Note(
                f"{request.source} holds {len(pictures)} of mini-ImageNet's {CLASSES} classes and {total:,} of its "
                f"{CLASSES * PER_CLASS:,} images; using these"
            )
        )
    classes = [
        ClassPictures(name, part, pictures[name])
        for part in SPLITS
        for name in split
        if split[name] == part and name in pictures
    ]
    note = f"by WordNet id, 64 / 16 / 20 (Ravi and Larochelle, 2017); read from {how}"
    request.listener(Note(f"reading {how}"))
    return built(request, classes, note, LICENCE, str(request.source.resolve()), (IMAGENET_MEAN, IMAGENET_STD))


def _read(source: Folder, split: dict[str, str]) -> Found:
    files = source.files()
    if any(name in files for name in PICKLES.values()):
        return _pickles({part: files.get(name) for part, name in PICKLES.items()}, source)
    if any(name in files for name in LISTS.values()):
        return _lists({part: files.get(name) for part, name in LISTS.items()}, source)
    parts = {part: inner for part in SPLITS if (inner := source.find(part)) is not None}
    if not parts:
        return _images(_ids_in(source)), "class folders"
    found = {part: _ids_in(inner) for part, inner in parts.items()}
    misplaced = [name for part, classes in found.items() for name in classes if split.get(name, part) != part]
    merged: dict[str, list[File]] = {}
    for classes in found.values():
        for name, images in classes.items():
            merged.setdefault(name, []).extend(images)
    places = ", ".join(f"{part}/" for part in found)
    if not misplaced:
        return _images(merged), f"class folders below {places}"
    how = (
        f"class folders below {places}, merged: they divide the images and not the classes ({misplaced[0]} and others)"
    )
    return _images(merged), how


def _ids_in(folder: Folder) -> dict[str, list[File]]:
    found = class_folders(folder, fewest=1, hint=LAYOUTS)
    strange = [name for name in found if not WORDNET_ID.fullmatch(name)]
    if strange:
        raise DataError(f"{folder.label}/{strange[0]} is not named by a WordNet id.", hint=LAYOUTS)
    return found


def _images(classes: dict[str, list[File]]) -> dict[str, list[Picture]]:
    return {name: [from_file(file) for file in files] for name, files in classes.items()}


def _pickles(files: dict[str, File | None], source: Folder) -> Found:
    found: dict[str, list[Picture]] = {}
    for file in _all_three(files, PICKLES, source):
        content = unpickle(file)
        data, classes = content.get("image_data"), content.get("class_dict")
        if not isinstance(data, PickledArray) or data.dtype != np.uint8 or data.ndim != 4 or data.shape[3] != 3:
            holds = ", ".join(map(str, list(content)[:5]))
            raise DataError(f"{file.label} has no uint8 'image_data' [n, H, W, 3]; it holds {holds}.", hint=LAYOUTS)
        rows_of = classes if isinstance(classes, dict) else {None: None}
        for name, listed in rows_of.items():
            rows = whole_numbers(listed, len(data))
            if rows is None or not isinstance(name, str):
                raise DataError(f"{file.label} has no 'class_dict' of row numbers below {len(data)}.", hint=LAYOUTS)
            found.setdefault(name, []).extend(from_rows(f"{file.label}[{row}]", data, row) for row in rows)
    return found, f"the pickles {PICKLES['train']}, ..."


def _all_three(files: dict[str, File | None], names: dict[str, str], source: Folder) -> Iterable[File]:
    for part, file in files.items():
        if file is None:
            raise DataError(f"{source.label} has no {names[part]}.", hint="all three are needed")
        yield file


def _lists(files: dict[str, File | None], source: Folder) -> Found:
    rows = [row for file in _all_three(files, LISTS, source) for row in read_rows(file, ("filename", "label"))]
    images = source.find("images")
    flat = images.files() if images is not None else {}
    if flat:
        return _listed(rows, flat, images or source), "images/ as the three lists name them"
    folders = next(
        (place for place in (source, *filter(None, (source.find("train"), images))) if _has_ids(place)), None
    )
    if folders is None:
        raise DataError(f"{source.label} has lists, but neither images/ nor class folders.", hint=LAYOUTS)
    return _from_ilsvrc(rows, folders), "ILSVRC-2012's training images as the three lists choose them"


def _has_ids(folder: Folder) -> bool:
    return any(WORDNET_ID.fullmatch(name) for name in folder.folders())


def _listed(rows: list[Row], flat: dict[str, File], images: Folder) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for row in rows:
        name, label = row.values
        if name not in flat:
            raise DataError(f"{row.where} names {name!r}, which {images.label} does not hold.", hint=LAYOUTS)
        found.setdefault(label, []).append(from_file(flat[name]))
    return found


def _from_ilsvrc(rows: list[Row], folders: Folder) -> dict[str, list[Picture]]:
    """The images that the lists choose from ILSVRC's class folders.

    A list's `n0153282900000005.jpg` is the fifth of the class's images in the order of their numbers (the number
    after the '_' of `n01532829_10.JPEG`); a list may also hold ILSVRC's own file names.
    """
    found: dict[str, list[Picture]] = {}
    files: dict[str, dict[str, File]] = {}
    inside = folders.folders()
    for row in rows:
        name, label = row.values
        if label not in files:
            if label not in inside:
                raise DataError(f"{row.where} names class {label}, which {folders.label} lacks.", hint=LAYOUTS)
            images = {name: file for name, file in inside[label].files().items() if is_image_name(name)}
            by_number = sorted(images.items(), key=lambda item: (_number(item[0]), item[0]))
            files[label] = dict(by_number)
        own, place = files[label], _place(name, label)
        if name in own:
            file = own[name]
        elif place is not None and 1 <= place <= len(own):
            file = list(own.values())[place - 1]
        else:
            raise DataError(
                f"{row.where} names {name!r}; {folders.label}/{label} has {len(files[label])} images.", hint=LAYOUTS
            )
        found.setdefault(label, []).append(from_file(file))
    return found


def _number(name: str) -> int:
    digits = re.search(r"_(\d+)\.", name)
    return int(digits.group(1)) if digits else 0


def _place(name: str, label: str) -> int | None:
    digits = re.fullmatch(rf"{label}(\d+)\.\w+", name)
    return int(digits.group(1)) if digits else None
