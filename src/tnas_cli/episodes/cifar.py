"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): 32 x 32 colour images, for transfer and for few-shot tasks."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.episodes.catalogue import ClassPictures
from tnas_cli.episodes.cifar_classes import CIFAR100, cifar_fs_split, fc100_split
from tnas_cli.episodes.cifar_layouts import CIFAR10_EDITION, CIFAR100_EDITION, Edition, Found, read
from tnas_cli.episodes.class_split import held_out
from tnas_cli.episodes.dataset import Built, Request, built
from tnas_cli.episodes.download import CIFAR_LICENCE, download
from tnas_cli.episodes.places import open_place
from tnas_cli.errors import DataError
from tnas_cli.runs.events import Note

PARTS = ("train", "test")


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
    found = read(open_place(place, edition.layouts, request.account), edition)
    _check(found, place, edition, request)
    return found, origin


def _check(found: Found, place: Path, edition: Edition, request: Request) -> None:
    names = {name for part in found.values() for name, pictures in part.items() if pictures}
    stray = sorted(names - set(edition.classes))
    if stray:
        raise DataError(
            f"{place} holds class {stray[0]!r}, which {edition.name} does not have.",
            hint=f"the classes are {edition.classes[0]}, {edition.classes[1]}, ... {edition.classes[-1]}; "
            "for other images use: tnas prepare-data folder --source DIR",
        )
    total = sum(len(pictures) for part in found.values() for pictures in part.values())
    if (len(names), total) != (len(edition.classes), 60_000):
        request.listener(
            Note(
                f"{place} holds {len(names)} of {edition.name}'s {len(edition.classes)} classes and {total:,} of its "
                "60,000 images; using these"
            )
        )
