"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 32 x 32 colour images, as they are published and as people store them.

Three layouts: the official folder of pickles (cifar-100-python), its archive, and class folders below train/ and test/,
as folders or zips, or with all images of a class in one folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tnas_cli.episodes.catalogue import ClassPictures, Picture, Pixels, from_file, from_rows
from tnas_cli.episodes.cifar_classes import CIFAR10, CIFAR100, cifar_fs_split, fc100_split
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.class_split import held_out
from tnas_cli.episodes.dataset import Built, Request, built
from tnas_cli.episodes.download import CIFAR_LICENCE, Archive, download
from tnas_cli.episodes.places import Folder, open_place
from tnas_cli.episodes.unpickle import PickledArray, unpickle, whole_numbers
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Note

PARTS = ("train", "test")
PIXELS = 32 * 32 * 3


@dataclass(frozen=True)
class Edition:
    """One of the two sets: its classes in the order of the official labels, and the names of its pickles."""

    name: str
    archive: Archive
    classes: tuple[str, ...]
    labels: str
    files: dict[str, tuple[str, ...]]

    @property
    def layouts(self) -> str:
        folder = self.archive.filename.split(".")[0]
        return (
            f"--source is the folder {folder}/, its archive {self.archive.filename}, or class folders: "
            "train/<class>/* and test/<class>/*, or <class>/*, as folders or zips"
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
)

#: {part: {class: pictures}}; the part is '' where the layout does not name one.
Found = dict[str, dict[str, list[Picture]]]


def build_fc100(request: Request) -> Built:
    """FC100 (Oreshkin et al., 2018): CIFAR-100's images pooled, classes divided by superclass."""
    note = "by superclass, 12 / 4 / 4 of CIFAR-100's 20 (Oreshkin et al., 2018); training and test images pooled"
    return _few_shot(request, fc100_split(), note)


def build_cifar_fs(request: Request) -> Built:
    """CIFAR-FS (Bertinetto et al., 2019): CIFAR-100's images pooled, 64 / 16 / 20 classes."""
    note = "by class, 64 / 16 / 20 of CIFAR-100's (Bertinetto et al., 2019); training and test images pooled"
    return _few_shot(request, cifar_fs_split(), note)


def build_cifar10(request: Request) -> Built:
    """CIFAR-10 with its official training and test images; a tenth of the training images is val."""
    found, origin = _open(request, CIFAR10_EDITION)
    if set(found) != set(PARTS):
        raise DataError(
            f"{origin} does not say which images are train and which are test.", hint=CIFAR10_EDITION.layouts
        )
    kept, validation = held_out(found["train"], request.seed, "cifar10/split")
    classes = [
        ClassPictures(name, split, pictures)
        for split, part in (("train", kept), ("val", validation), ("test", found["test"]))
        for name, pictures in part.items()
    ]
    note = f"a tenth of each class's official training images is val, by seed {request.seed}"
    return built(request, classes, note, CIFAR_LICENCE, origin)


def _few_shot(request: Request, split: dict[str, str], note: str) -> Built:
    found, origin = _open(request, CIFAR100_EDITION)
    pooled = {
        name: [picture for part in sorted(found, reverse=True) for picture in found[part].get(name, [])]
        for name in CIFAR100
    }
    classes = [ClassPictures(name, split[name], pictures) for name, pictures in pooled.items() if pictures]
    return built(request, classes, note, CIFAR_LICENCE, origin)


def _open(request: Request, edition: Edition) -> tuple[Found, str]:
    """The images, and where they come from; notes an incomplete set."""
    if request.source is None:
        place = download(edition.archive, request.root / "downloads", request.listener)
        origin = edition.archive.url
    else:
        place, origin = request.source, str(request.source.resolve())
    found = _read(_inner(open_place(place, edition.layouts, request.account), edition), edition)
    _check(found, place, edition, request)
    return found, origin


def _inner(folder: Folder, edition: Edition) -> Folder:
    """The folder of the pickles or of the classes: one inside `folder`, or `folder` itself."""
    return folder.find(edition.archive.filename.split(".")[0]) or folder


def _read(folder: Folder, edition: Edition) -> Found:
    files = folder.files()
    if all(name in files for names in edition.files.values() for name in names):
        return {part: _from_pickles(folder, edition, names) for part, names in edition.files.items()}
    parts = {part: folder.find(part) for part in PARTS}
    # CIFAR-100 also has a class called "train".
    given = {part: inner for part, inner in parts.items() if inner is not None and inner.folders()}
    return {
        part: {
            name: [from_file(file) for file in files]
            for name, files in class_folders(inner, fewest=1, hint=edition.layouts).items()
        }
        for part, inner in (given or {"": folder}).items()
    }


def _from_pickles(folder: Folder, edition: Edition, names: Sequence[str]) -> dict[str, list[Picture]]:
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


def _check(found: Found, place: Path, edition: Edition, request: Request) -> None:
    names = {name for part in found.values() for name, pictures in part.items() if pictures}
    stray = sorted(names - set(edition.classes))
    if stray:
        raise DataError(
            f"{place} holds class {stray[0]!r}, which {edition.name} does not have.",
            hint=f"the classes are {edition.classes[0]}, {edition.classes[1]}, ... {edition.classes[-1]}; "
            "for other images use: tnas prepare-data folder",
        )
    total = sum(len(pictures) for part in found.values() for pictures in part.values())
    if (len(names), total) != (len(edition.classes), 60_000):
        request.listener(
            Note(
                f"{place} holds {len(names)} of {edition.name}'s {len(edition.classes)} classes and {total:,} of its "
                "60,000 images; using these"
            )
        )
