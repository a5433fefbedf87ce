"""Your own images as a data set: class folders, train/, val/ and test/ of class folders, or a list in a CSV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tnas_cli.episodes import tiny_imagenet
from tnas_cli.episodes.around import data_in, files_below
from tnas_cli.episodes.cache_writer import SPLITS
from tnas_cli.episodes.catalogue import ClassPictures, from_file
from tnas_cli.episodes.class_folders import BESIDE, class_folders, images_in
from tnas_cli.episodes.class_split import divide, shuffled
from tnas_cli.episodes.dataset import Built, Request, built
from tnas_cli.episodes.images import read_image
from tnas_cli.episodes.modes import is_gray
from tnas_cli.episodes.own_list import is_list, listed_classes
from tnas_cli.episodes.places import DiskFolder, File, Folder, open_place
from tnas_cli.episodes.split_names import splits_among
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.runs.events import Note

COLOUR_SIZE = 84
GRAY_SIZE = 28
LAYOUTS = (
    "--source is a folder or archive of SOURCE/<class>/* (images), or SOURCE/train|val|test/<class>/..., or a CSV "
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
    if is_list(source):
        return _of_list(source, request)
    place = data_in(open_place(source, LAYOUTS, request.account))
    if tiny_imagenet.is_one(place):
        classes, merged = tiny_imagenet.classes(place)
        return _divided(classes, request, place.label, merged)
    parts = _parts(place)
    if not parts:
        lone = _lone_list(place)
        if lone is not None:
            request.account.understand(f"the images are those that {lone.name} lists")
            return _of_list(lone, request)
        return _divided(class_folders(place, fewest=len(SPLITS), hint=LAYOUTS, leave_empty=True), request, place.label)
    for name, folder in place.folders().items():
        if name not in parts.values():
            beside = len(files_below(folder))
            request.account.left_out("files in folders beside those of the splits", f"{folder.label}/", beside)
    for file in images_in(place):
        request.account.left_out(BESIDE, file.label)
    if any(name != split for split, name in parts.items()):
        request.account.understand(", ".join(f"{name}/ is {split}" for split, name in parts.items()))
    found = {
        split: class_folders(data_in(place.folders()[name]), fewest=1, hint=LAYOUTS, leave_empty=True)
        for split, name in parts.items()
    }
    if list(found) == ["train"]:
        request.account.understand(f"only {parts['train']}/ holds classes, which are divided")
        return _divided(found["train"], request, place.label)
    return _given(found, place.label, request, [f"{name}/" for name in parts.values()], fewest=2)


def _of_list(source: Path, request: Request) -> Tree:
    listed, column = listed_classes(
        source, request.account, skip_bad=request.skip_bad, keep_duplicates=request.keep_duplicates
    )
    if column is None:
        return _divided(listed.get("", {}), request, str(source))
    ordered = {split: listed[split] for split in SPLITS if split in listed}
    return _given(ordered, str(source), request, f"column {column} of {source.name}", fewest=1)


def _lone_list(place: Folder) -> Path | None:
    """The only list in a folder on disk whose folders are too few to be classes."""
    if not isinstance(place, DiskFolder) or len(place.folders()) >= len(SPLITS):
        return None
    lists = [place.path / name for name in place.files() if name.lower().endswith((".csv", ".tsv"))]
    return lists[0] if len(lists) == 1 else None


def _parts(place: Folder) -> dict[str, str]:
    """The folders of the splits by split: folders with such names that hold folders, and no classes of these names."""
    folders = place.folders()
    named = splits_among(name for name, folder in folders.items() if _holds_classes(folder))
    several = next((names for names in named.values() if len(names) > 1), None)
    if len(named) < 2 and all(name.lower() != split for split, names in named.items() for name in names):
        return {}  # a class may be called "base"
    if several is not None:
        raise DataError(
            f"{place.label} holds {several[0]}/ and {several[1]}/, and both names stand for the same split.",
            hint="name one folder train, one val and one test, or pass a CSV with a column split",
        )
    return {split: names[0] for split, names in named.items()}


def _holds_classes(folder: Folder) -> bool:
    """Whether a folder called train, val or test is a split, and not a class of that name."""
    inner = folder.folders()
    return bool(inner) and list(inner) != ["images"]


def _given(found: dict[str, Classes], label: str, request: Request, by: list[str] | str, *, fewest: int) -> Tree:
    """Divide as folders or a list do (`by`), unless they only divide the images of the same classes.

    Without validation classes, some of the training classes validate.
    """
    parts = [f"{split}/" for split in found] if isinstance(by, str) else by
    first, *others = found
    repeated = {name: split for split in others for name in found[split] if name in found[first]}
    if repeated and all(name in repeated for split in others for name in found[split]):
        merged = {name: [file for part in found.values() for file in part.get(name, [])] for name in found[first]}
        return _divided(
            merged, request, label, f"; {' and '.join(parts)} hold images of the same classes and were merged"
        )
    seen: dict[str, str] = {}
    for classes, part in zip(found.values(), parts, strict=True):
        for name in classes:
            if seen.setdefault(name, part) != part:
                raise DataError(
                    f"class {name!r} of {label} is in both {seen[name]} and {part}.",
                    hint="few-shot tasks are tested on classes never seen in training: keep each class in one split",
                )
        if len(classes) < fewest:
            raise DataError(f"{label}/{part.rstrip('/')} holds 1 class folder; {fewest} are needed.", hint=LAYOUTS)
    note = f"as the {by} says" if isinstance(by, str) else f"as the folders {_listed(parts)} say"
    if list(found) == ["train", "test"] and len(found["train"]) > fewest:
        found, further = _with_validation(found, request)
        note += further
    missing = [split for split in SPLITS if split not in found]
    if missing:
        raise DataError(
            f"{label} has {parts[0]} but no {missing[0]}/.", hint="give all of train/, val/ and test/, or none"
        )
    by_folder = not isinstance(by, str)
    listed = [
        (f"{split}/{name}" if by_folder else name, split, files)
        for split in SPLITS
        for name, files in found[split].items()
    ]
    return Tree(listed, note)


def _with_validation(found: dict[str, Classes], request: Request) -> tuple[dict[str, Classes], str]:
    """Some of the training classes as validation classes, in the proportion of the request's shares."""
    train, val, _ = request.shares
    names = list(found["train"])
    count = min(max(1, round(len(names) * val / (train + val))), len(names) - 1)
    chosen = set(shuffled(names, request.seed, "folder/validation")[:count])
    request.account.understand(f"no classes are for validation: {count} of the {len(names)} training classes are")
    parts: dict[str, Classes] = {"train": {}, "val": {}, "test": found["test"]}
    for name, files in found["train"].items():
        parts["val" if name in chosen else "train"][name] = files
    return parts, f"; {count} of the {len(names)} training classes validate, at random by seed {request.seed}"


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


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
