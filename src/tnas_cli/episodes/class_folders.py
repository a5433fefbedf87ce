"""Folders whose subfolders are classes: the layout of data sets and of task folders."""

from __future__ import annotations

from tnas_cli.episodes.archives import archive_stem
from tnas_cli.episodes.formats import is_image_by_content, is_image_name, is_unread_image_name
from tnas_cli.episodes.places import File, Folder
from tnas_cli.errors import DataError

BESIDE = "images beside the class folders, which belong to no class"
EMPTY = "class folders without an image"


def class_folders(folder: Folder, *, fewest: int, hint: str, leave_empty: bool = False) -> dict[str, list[File]]:
    """The class folders of `folder` by name, each with its images in order. What is not used is in its account.

    Images in folders inside a class folder belong to the class too. Raises DataError when a class holds no image
    (saying what it holds instead), unless empty ones are to be left out, or there are fewer than `fewest` classes;
    `hint` describes the layout.
    """
    for file in images_in(folder):
        folder.account.left_out(BESIDE, file.label)
    found: dict[str, list[File]] = {}
    empty = []
    for name, entry in folder.folders().items():
        images = _images_of(entry, folder, hint)
        if images:
            found[name] = images
        elif leave_empty:
            folder.account.left_out(EMPTY, f"{entry.label}/")
            empty.append(name)
        else:
            raise DataError(
                f"class folder {entry.label} holds no image{_instead(entry)}.", hint="add images to it, or move it away"
            )
    if len(found) < fewest:
        names = f" ({', '.join(list(found)[:5])})" if found else ""
        names += f" and {len(empty)} without an image ({', '.join(empty[:5])})" if empty else ""
        raise DataError(f"{folder.label} holds {len(found)} class folders{names}; {fewest} are needed.", hint=hint)
    return found


def images_in(folder: Folder) -> list[File]:
    """The image files directly in a folder, in order; what else lies there is in its account, once.

    A file with another name, or none, is an image if its content is one.
    """
    images, first, account = [], not folder.told, folder.account
    folder.told = True
    for name, file in folder.files().items():
        if archive_stem(name):
            continue  # it stands for a folder
        if is_image_name(name):
            images.append(file)
        elif is_image_by_content(file):
            images.append(file)
            if first:
                account.converted("files read as images for their content, whatever their name", file.label)
        elif first:
            account.left_out(_why_not(name), file.label)
    return images


def _why_not(name: str) -> str:
    if is_unread_image_name(name):
        return f"images of a format that is not read, {name[name.rindex('.') :].lower()}"
    return "files that are no images"


def _images_of(entry: Folder, around: Folder, hint: str) -> list[File]:
    """A class's images: those in its folder and in all folders inside it.

    Raises DataError where several folders hold images and the class folder itself holds none: these may be the classes.
    """
    seen = {around.place, entry.place}
    own = images_in(entry)
    inside = {name: images for name, inner in entry.folders().items() if (images := images_below(inner, seen))}
    if not own and len(inside) > 1:
        raise DataError(
            f"class folder {entry.label} holds no image, but {len(inside)} folders with images "
            f"({', '.join(list(inside)[:3])}{', ...' if len(inside) > 3 else ''}).",
            hint=f"pass {entry.label} if these are the classes, or a CSV of images with their labels; {hint}",
        )
    if own and inside:
        entry.account.understand(
            f"images in folders inside a class folder belong to the class ({entry.label}/{next(iter(inside))}/)"
        )
    return own + [file for images in inside.values() for file in images]


def images_below(folder: Folder, seen: set[str]) -> list[File]:
    """All images in a folder and below it; a folder that was `seen` already, by a link, is not read again."""
    if folder.place in seen:
        folder.account.left_out("links to a folder that is read already", f"{folder.label}/")
        return []
    seen.add(folder.place)
    return [*images_in(folder), *(file for inner in folder.folders().values() for file in images_below(inner, seen))]


def _instead(folder: Folder) -> str:
    others = [*folder.folders(), *folder.files()]
    return f" (it holds {', '.join(others[:3])}{', ...' if len(others) > 3 else ''})" if others else ""
