"""mini-ImageNet by the three lists of Ravi and Larochelle (2017): train.csv, val.csv and test.csv."""

from __future__ import annotations

import re

from tnas_cli.episodes.catalogue import Picture, from_file
from tnas_cli.episodes.formats import is_image_name
from tnas_cli.episodes.image_list import Row, read_rows
from tnas_cli.episodes.places import File, Folder, PackedFolder
from tnas_cli.errors import DataError

LISTS = {split: f"{split}.csv" for split in ("train", "val", "test")}
WORDNET_ID = re.compile(r"n\d{8}")

Found = tuple[dict[str, list[Picture]], str]


def lists_in(folder: Folder) -> dict[str, File] | None:
    """The lists that lie in a folder, or in one of the folders in it; None without any."""
    places = [folder, *(one for one in folder.folders().values() if not isinstance(one, PackedFolder))]
    for place in places[:20]:
        files = place.files()
        found = {part: files[name] for part, name in LISTS.items() if name in files}
        if found:
            return found
    return None


def read_lists(lists: dict[str, File], source: Folder, hint: str) -> Found | None:
    """The images that the lists name, in images/, or in the class folders of ILSVRC-2012."""
    missing = [name for part, name in LISTS.items() if part not in lists]
    if missing:
        raise DataError(f"{source.label} has no {missing[0]}.", hint="all three are needed")
    rows = [row for part in LISTS for row in read_rows(lists[part], ("filename", "label"))]
    images = source.find("images")
    flat = images.files() if images is not None else source.files()
    if any(is_image_name(name) for name in flat):
        return _listed(rows, flat, images or source, hint), "images/ as the three lists name them"
    folders = next(
        (place for place in (source, *filter(None, (source.find("train"), images))) if _has_ids(place)), None
    )
    if folders is None:
        raise DataError(f"{source.label} has lists, but neither images/ nor class folders.", hint=hint)
    return _from_ilsvrc(rows, folders, hint), "ILSVRC-2012's training images as the three lists choose them"


def _has_ids(folder: Folder) -> bool:
    return any(WORDNET_ID.fullmatch(name) for name in folder.folders())


def _listed(rows: list[Row], flat: dict[str, File], images: Folder, hint: str) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {}
    for row in rows:
        name, label = row.values
        if name not in flat:
            raise DataError(f"{row.where} names {name!r}, which {images.label} does not hold.", hint=hint)
        found.setdefault(label, []).append(from_file(flat[name]))
    return found


def _from_ilsvrc(rows: list[Row], folders: Folder, hint: str) -> dict[str, list[Picture]]:
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
                raise DataError(f"{row.where} names class {label}, which {folders.label} lacks.", hint=hint)
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
                f"{row.where} names {name!r}; {folders.label}/{label} has {len(files[label])} images.", hint=hint
            )
        found.setdefault(label, []).append(from_file(file))
    return found


def _number(name: str) -> int:
    digits = re.search(r"_(\d+)\.", name)
    return int(digits.group(1)) if digits else 0


def _place(name: str, label: str) -> int | None:
    digits = re.fullmatch(rf"{label}(\d+)\.\w+", name)
    return int(digits.group(1)) if digits else None
