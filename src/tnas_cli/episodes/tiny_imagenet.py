"""Tiny-ImageNet's folder: train/<id>/images/*, and val/images/* with their classes in val/val_annotations.txt.

Its test images have no labels and are left out.
"""

from __future__ import annotations

from tnas_cli.episodes.class_folders import class_folders, images_in
from tnas_cli.episodes.places import File, Folder
from tnas_cli.errors import DataError

ANNOTATIONS = "val_annotations.txt"
HINT = "get Tiny-ImageNet's archive again, or move its val/ folder away"


def is_one(folder: Folder) -> bool:
    """Whether a folder has Tiny-ImageNet's layout."""
    validation = folder.find("val")
    return folder.find("train") is not None and validation is not None and ANNOTATIONS in validation.files()


def classes(folder: Folder) -> tuple[dict[str, list[File]], str]:
    """The classes with their training and validation images, and a note that says so."""
    train, validation = folder.find("train"), folder.find("val")
    assert train is not None and validation is not None
    found = class_folders(train, fewest=1, hint=HINT)
    inner = validation.find("images")
    images = {file.label.rsplit("/", 1)[-1]: file for file in (images_in(inner) if inner else [])}
    annotations = validation.files()[ANNOTATIONS]
    for number, line in enumerate(annotations.read().decode("utf-8", "replace").splitlines(), start=1):
        name, label, *_ = [*line.split("\t"), "", ""]
        if label not in found or name not in images:
            raise DataError(f"{annotations.label}, line {number}, names {name!r} of class {label!r}.", hint=HINT)
        found[label].append(images[name])
    return found, "; the images of train/ and val/ were merged, those of test/ have no labels and were left out"
