"""The layouts in which people have mini-ImageNet. Its classes are known by their WordNet ids."""

from __future__ import annotations

import re

from tnas_cli.episodes.around import without_copy
from tnas_cli.episodes.catalogue import Picture, from_file, from_rows
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.hdf5_tables import image_tables
from tnas_cli.episodes.inside import find_inside, leave
from tnas_cli.episodes.mini_imagenet_lists import lists_in, read_lists
from tnas_cli.episodes.mini_imagenet_pickles import LOST, caches_in, numbered_in, read_caches, read_numbered
from tnas_cli.episodes.places import File, Folder
from tnas_cli.episodes.split_names import splits_among
from tnas_cli.errors import DataError

SPLITS = ("train", "val", "test")
WORDNET_ID = re.compile(r"n\d{8}")
TORCHMETA = {split: f"{split}_data.hdf5" for split in SPLITS}
LAYOUTS = (
    "--source is a folder (or archive) that holds one of: images/ with train.csv, val.csv and test.csv (columns "
    "filename, label); class folders named by WordNet id (n01532829/...), alone or below train/, val/ and test/; "
    "mini-imagenet-cache-train.pkl, -val.pkl and -test.pkl; miniImageNet_category_split_train_phase_train.pickle, "
    "..._val and ..._test; torchmeta's train_data.hdf5, ...; or ILSVRC-2012's training folders (n01532829/*.JPEG, "
    "alone or below train/) with the three lists beside them"
)

#: {class: its pictures}, and a few words on the layout that was found.
Found = tuple[dict[str, list[Picture]], str]


def read(place: Folder, split: dict[str, str]) -> Found:
    """The pictures of each class in any of the layouts. The account of `place` is told where they were.

    Raises DataError for a source that holds none, or that has lost the names of its classes.
    """
    found = find_inside(place, lambda folder: _read(folder, split))
    # What is no known layout is read as class folders, which says what is wrong with it.
    return found if found is not None else (_images(_ids_in(place)), "class folders")


def _read(folder: Folder, split: dict[str, str]) -> Found | None:
    files = folder.files()
    if caches := caches_in(files):
        return read_caches(caches, folder, LAYOUTS)
    if numbered := numbered_in(files):
        return read_numbered(numbered, folder, split, LAYOUTS)
    if any(name in files for name in TORCHMETA.values()):
        return _torchmeta(folder)
    if lists := lists_in(folder):
        return read_lists(lists, folder, LAYOUTS)
    if (lost := next((name for name in files if LOST.fullmatch(name)), None)) is not None:
        raise DataError(
            f"{files[lost].label} numbers its classes, so that their names are lost and the split cannot be checked.",
            hint=LAYOUTS,
        )
    return _folders(folder, split)


def _folders(folder: Folder, split: dict[str, str]) -> Found | None:
    folder = without_copy(folder)
    inside = folder.folders()
    parts = {
        part: inside[name]
        for part, names in splits_among(inside).items()
        for name in names
        if len(names) == 1 and _has_ids(inside[name])
    }
    if not parts:
        return (_images(_ids_in(folder)), "class folders") if _has_ids(folder) else None
    leave(folder, {name for name, inner in inside.items() if inner in parts.values()})
    found = {part: _ids_in(inner) for part, inner in parts.items()}
    misplaced = [name for part, classes in found.items() for name in classes if split.get(name, part) != part]
    merged: dict[str, list[File]] = {}
    for classes in found.values():
        for name, images in classes.items():
            merged.setdefault(name, []).extend(images)
    places = ", ".join(f"{inner.name}/" for inner in parts.values())
    if not misplaced:
        return _images(merged), f"class folders below {places}"
    how = (
        f"class folders below {places}, merged: they divide the images and not the classes ({misplaced[0]} and others)"
    )
    return _images(merged), how


def _has_ids(folder: Folder) -> bool:
    return any(WORDNET_ID.fullmatch(name) for name in folder.folders())


def _ids_in(folder: Folder) -> dict[str, list[File]]:
    found = class_folders(folder, fewest=1, hint=LAYOUTS)
    strange = [name for name in found if not WORDNET_ID.fullmatch(name)]
    if strange:
        raise DataError(f"{folder.label}/{strange[0]} is not named by a WordNet id.", hint=LAYOUTS)
    return found


def _images(classes: dict[str, list[File]]) -> dict[str, list[Picture]]:
    return {name: [from_file(file) for file in files] for name, files in classes.items()}


def _torchmeta(folder: Folder) -> Found:
    """Tables uint8 [n, 84, 84, 3], '/datasets/<WordNet id>', in a file for each split."""
    found: dict[str, list[Picture]] = {}
    files = folder.files()
    for name in TORCHMETA.values():
        if name not in files:
            raise DataError(f"{folder.label} has no {name}.", hint="all three are needed")
        for table, rows in image_tables(files[name]).items():
            wordnet_id = table.rsplit("/", 1)[-1]
            if not WORDNET_ID.fullmatch(wordnet_id) or len(rows.shape) != 4 or rows.shape[3] != 3:
                raise DataError(f"{files[name].label} has the table {table!r} {list(rows.shape)}.", hint=LAYOUTS)
            label = f"{files[name].label}{table}"
            found[wordnet_id] = [from_rows(f"{label}[{row}]", rows, row) for row in range(len(rows))]
    leave(folder, set(TORCHMETA.values()))
    return found, f"torchmeta's {TORCHMETA['train']}, ..."
