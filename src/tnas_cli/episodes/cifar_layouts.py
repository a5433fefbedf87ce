"""The layouts in which people have CIFAR-10 and CIFAR-100: pickles, class folders, torchmeta's HDF5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tnas_cli.episodes.around import without_copy
from tnas_cli.episodes.catalogue import Picture, Pixels, from_file, from_rows
from tnas_cli.episodes.cifar_classes import CIFAR10, CIFAR100, cifar_fs_split, fc100_split
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.download import Archive
from tnas_cli.episodes.hdf5_tables import image_tables
from tnas_cli.episodes.inside import find_inside, leave
from tnas_cli.episodes.places import File, Folder
from tnas_cli.episodes.split_names import splits_among
from tnas_cli.episodes.unpickle import PickledArray, unpickle, whole_numbers
from tnas_cli.errors import DataError

PIXELS = 32 * 32 * 3
TORCHMETA = "data.hdf5"
#: The pickles of few-shot tasks (MetaOptNet, learn2learn): FC100_train.pickle, ...; labels are CIFAR-100's.
FEW_SHOT = {"fc100": fc100_split, "cifar_fs": cifar_fs_split}


@dataclass(frozen=True)
class Edition:
    """One of the two sets: its classes in the order of the official labels, and the names of its pickles."""

    name: str
    archive: Archive
    classes: tuple[str, ...]
    labels: str
    files: dict[str, tuple[str, ...]]
    further: str = ""

    @property
    def layouts(self) -> str:
        folder = self.archive.filename.split(".")[0]
        return (
            f"--source is a folder (or archive) that holds one of: the official pickles or their archive "
            f"{self.archive.filename} ({folder}); class folders, train/<class>/* and test/<class>/*, or <class>/*"
            + self.further
        )


CIFAR10_EDITION = Edition(
    "CIFAR-10",
    Archive("CIFAR10", "cifar-10-python.tar.gz", 170_498_071),
    CIFAR10,
    "labels",
    {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)},
)
CIFAR100_EDITION = Edition(
    "CIFAR-100",
    Archive("CIFAR100", "cifar-100-python.tar.gz", 169_001_437),
    CIFAR100,
    "fine_labels",
    {"train": ("train",), "test": ("test",)},
    "; FC100_train.pickle, -val and -test, or CIFAR_FS_train.pickle, ...; torchmeta's data.hdf5",
)

#: {part: {class: pictures}}; the part is '' where the layout does not name one.
Found = dict[str, dict[str, list[Picture]]]


def read(place: Folder, edition: Edition) -> Found:
    """The images of an edition in any of its layouts. The account of `place` is told how it was understood.

    Raises DataError for a source that holds none.
    """
    found = find_inside(place, lambda folder: _read(folder, edition))
    # What is no known layout is read as class folders, which says what is wrong with it.
    return found if found is not None else {"": _classes(place, edition)}


def _read(folder: Folder, edition: Edition) -> Found | None:
    files = folder.files()
    if all(name in files for names in edition.files.values() for name in names):
        return {part: _official(folder, edition, names) for part, names in edition.files.items()}
    if edition is CIFAR100_EDITION:
        few_shot = _few_shot(folder)
        if few_shot or TORCHMETA in files:
            return few_shot or _torchmeta(folder, files[TORCHMETA])
    return _folders(folder, edition)


def _folders(folder: Folder, edition: Edition) -> Found | None:
    folder = without_copy(folder)
    inside = folder.folders()
    parts = {split: names for split, names in splits_among(inside).items() if len(names) == 1}
    # CIFAR-100 also has a class called "train".
    given = {split: inside[name] for split, (name,) in parts.items() if _knows(inside[name], edition)}
    if given:
        leave(folder, {name for names in parts.values() for name in names} | {f"{split}.zip" for split in given})
        return {split: _classes(inner, edition) for split, inner in given.items()}
    return {"": _classes(folder, edition)} if _knows(folder, edition) else None


def _knows(folder: Folder, edition: Edition) -> bool:
    return not set(folder.folders()).isdisjoint(edition.classes)


def _classes(folder: Folder, edition: Edition) -> dict[str, list[Picture]]:
    found = class_folders(folder, fewest=1, hint=edition.layouts)
    return {name: [from_file(file) for file in files] for name, files in found.items()}


def _official(folder: Folder, edition: Edition, names: Sequence[str]) -> dict[str, list[Picture]]:
    found: dict[str, list[Picture]] = {name: [] for name in edition.classes}
    for name in names:
        file = folder.files()[name]
        content = unpickle(file)
        data = content.get("data")
        if not isinstance(data, PickledArray) or data.dtype != np.uint8 or data.shape[1:] != (PIXELS,):
            raise DataError(f"{file.label} holds no images of {edition.name}.", hint=edition.layouts)
        labels = whole_numbers(content.get(edition.labels), len(found))
        if labels is None or len(labels) != len(data):
            raise DataError(f"{file.label} holds no labels for its images.", hint=edition.layouts)
        for row, label in enumerate(labels):
            found[edition.classes[label]].append(from_rows(f"{file.label}[{row}]", data, row, _by_pixel))
    return found


def _by_pixel(values: Pixels) -> Pixels:
    """An official row of 3072 values, colour by colour, as [H, W, C]."""
    return values.reshape(3, 32, 32).transpose(1, 2, 0)


def _few_shot(folder: Folder) -> Found | None:
    """Pickles of few-shot tasks. Classes have numbers there; they are CIFAR-100's if each lies in its split."""
    named = {name.lower().replace("-", "_"): file for name, file in folder.files().items()}
    for stem, split in FEW_SHOT.items():
        files = {
            part: file
            for part, name in (("train", "train"), ("val", "val"), ("val", "validation"), ("test", "test"))
            for ending in ("pickle", "pkl")
            if (file := named.get(f"{stem}_{name}.{ending}")) is not None
        }
        if files:
            folder.account.understand(f"{folder.label} holds pickles of few-shot tasks, {', '.join(files)}")
            leave(folder, {file.label.rsplit("/", 1)[-1] for file in files.values()})
            return {part: _numbered(file, part, split()) for part, file in files.items()}
    return None


def _numbered(file: File, part: str, split: dict[str, str]) -> dict[str, list[Picture]]:
    content = unpickle(file)
    data, labels = content.get("data"), whole_numbers(content.get("labels"), 2**31)
    if not isinstance(data, PickledArray) or data.dtype != np.uint8 or data.shape[1:] != (32, 32, 3):
        raise DataError(f"{file.label} has no uint8 'data' [n, 32, 32, 3].", hint=CIFAR100_EDITION.layouts)
    if labels is None or len(labels) != len(data):
        raise DataError(f"{file.label} has no 'labels' for its images.", hint=CIFAR100_EDITION.layouts)
    found: dict[str, list[Picture]] = {}
    for row, label in enumerate(labels):
        if label >= len(CIFAR100) or split[CIFAR100[label]] != part:
            raise DataError(
                f"{file.label} numbers its classes in another way than CIFAR-100 (number {label} is not one of the "
                f"{part} classes), so that their names are lost and the split cannot be checked.",
                hint=CIFAR100_EDITION.layouts,
            )
        found.setdefault(CIFAR100[label], []).append(from_rows(f"{file.label}[{row}]", data, row))
    return found


def _torchmeta(folder: Folder, file: File) -> Found | None:
    """Tables uint8 [n, 32, 32, 3], '/<superclass>/<class>', training images before test images."""
    found: dict[str, list[Picture]] = {}
    for name, rows in image_tables(file).items():
        fine = name.rsplit("/", 1)[-1]
        if name.count("/") == 2 and fine in CIFAR100 and rows.shape[1:] == (32, 32, 3):
            found[fine] = [from_rows(f"{file.label}{name}[{row}]", rows, row) for row in range(len(rows))]
    if not found:
        return None
    leave(folder, {TORCHMETA})
    folder.account.understand(f"{file.label} is torchmeta's")
    return {"": found}
