"""Your own images as a data set: class folders, train/, val/ and test/ of class folders, or a list in a CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tnas_cli.episodes import tiny_imagenet
from tnas_cli.episodes.cache_writer import SPLITS
from tnas_cli.episodes.catalogue import ClassPictures, from_file
from tnas_cli.episodes.class_folders import class_folders
from tnas_cli.episodes.class_split import divide
from tnas_cli.episodes.dataset import Built, Request, built
from tnas_cli.episodes.image_list import listed_classes
from tnas_cli.episodes.images import read_image
from tnas_cli.episodes.modes import is_gray
from tnas_cli.episodes.places import File, Folder, open_place
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.events import Note

COLOUR_SIZE = 84
GRAY_SIZE = 28
LAYOUTS = (
    "--source is a folder or archive of SOURCE/<class>/*.png|jpg|webp, or SOURCE/train|val|test/<class>/..., or a CSV "
    "with the columns path,label[,split]"
)
OWNER = "as its owner says"

Classes = dict[str, list[File]]


@dataclass(frozen=True)
class Tree:
    """The classes of a source: (name, split, images) each, and one sentence on how they were divided."""

    classes: list[tuple[str, str, list[File]]]
    note: str


def build(request: Request) -> Built:
    """A data set of your own images. By default, their colours decide the channels, and the channels the size."""
    if request.source is None:
        raise SettingsError(f"{request.name} needs --source.", hint=LAYOUTS)
    source = request.source
    tree = open_tree(request, source)
    request.listener(Note(f"classes {tree.note}"))
    channels = request.channels or channels_of(tree)
    request = replace(request, channels=channels, size=request.size or natural_size(channels))
    classes = [ClassPictures(name, split, [from_file(file) for file in files]) for name, split, files in tree.classes]
    return built(request, classes, f"classes {tree.note}", OWNER, str(source.resolve()))


def open_tree(request: Request, source: Path) -> Tree:
    """List a source's classes and divide them as its folders or its list say, else by the request's shares and seed.

    Raises DataError for a layout that does not make a data set.
    """
    if source.suffix.lower() == ".csv" and not source.is_dir():
        listed = listed_classes(source, SPLITS)
        if all(split for _, split, _ in listed):
            return Tree(listed, f"as the column split of {source.name} says")
        return _divided({name: files for name, _, files in listed}, request, str(source))
    place = open_place(source, LAYOUTS, request.account)
    if tiny_imagenet.is_one(place):
        classes, merged = tiny_imagenet.classes(place)
        return _divided(classes, request, place.label, merged)
    given = {split: inner for split in SPLITS if (inner := place.find(split)) is not None and _holds_classes(inner)}
    if not given:
        return _divided(class_folders(place, fewest=len(SPLITS), hint=LAYOUTS, leave_empty=True), request, place.label)
    beside = [name for name in place.folders() if name not in SPLITS]
    if beside:
        request.listener(Note(f"folders beside {'/, '.join(given)}/ are left out: {', '.join(beside[:5])}"))
    found = {split: class_folders(inner, fewest=1, hint=LAYOUTS, leave_empty=True) for split, inner in given.items()}
    return _given(found, place, request)


def _holds_classes(folder: Folder) -> bool:
    """Whether a folder called train, val or test is a split, and not a class of that name."""
    inner = folder.folders()
    return bool(inner) and list(inner) != ["images"]


def _given(found: dict[str, Classes], place: Folder, request: Request) -> Tree:
    """Divide as the folders train/, val/ and test/ do, unless they only divide the images of the same classes."""
    first, *others = found
    repeated = {name: split for split in others for name in found[split] if name in found[first]}
    if repeated and all(name in repeated for split in others for name in found[split]):
        merged = {name: [file for part in found.values() for file in part.get(name, [])] for name in found[first]}
        places = " and ".join(f"{split}/" for split in found)
        return _divided(merged, request, place.label, f"; {places} hold images of the same classes and were merged")
    seen: dict[str, str] = {}
    for split, classes in found.items():
        for name in classes:
            if seen.setdefault(name, split) != split:
                raise DataError(
                    f"class {name!r} of {place.label} is in both {seen[name]}/ and {split}/.",
                    hint="few-shot tasks are tested on classes never seen in training: keep each class in one split",
                )
    missing = [split for split in SPLITS if split not in found]
    if missing:
        raise DataError(
            f"{place.label} has {first}/ but no {missing[0]}/.", hint="give all of train/, val/ and test/, or none"
        )
    few = [split for split, classes in found.items() if len(classes) < 2]
    if few:
        raise DataError(f"{place.label}/{few[0]} holds 1 class folder; 2 are needed.", hint=LAYOUTS)
    listed = [(f"{split}/{name}", split, files) for split in SPLITS for name, files in found[split].items()]
    return Tree(listed, "as the folders train/, val/ and test/ say")


def _divided(found: Classes, request: Request, label: str, further: str = "") -> Tree:
    if len(found) < len(SPLITS):
        raise DataError(f"{label} holds {len(found)} classes; {len(SPLITS)} are needed.", hint=LAYOUTS)
    split_of = divide(list(found), request.shares, request.seed, "folder/split")
    counts = [sum(split == part for split in split_of.values()) for part in SPLITS]
    note = "at random by seed {}: {} train, {} val, {} test".format(request.seed, *counts)
    return Tree([(name, split_of[name], files) for name, files in found.items()], note + further)


def channels_of(tree: Tree) -> int:
    """1 if no image has colour, else 3; stops at the first colour image. An unreadable image counts as gray."""
    for _, _, files in tree.classes:
        for file in files:
            try:
                if not is_gray(read_image(file.read(), file.label)):
                    return 3
            except DataError:
                continue
    return 1


def natural_size(channels: int) -> int:
    """The default side of a data set's images: 28 pixels when none has colour, 84 otherwise."""
    return GRAY_SIZE if channels == 1 else COLOUR_SIZE
