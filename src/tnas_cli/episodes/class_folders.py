"""Folders whose subfolders are classes: the layout of data sets and of task folders."""

from __future__ import annotations

from tnas_cli.episodes.images import is_image_name
from tnas_cli.episodes.places import File, Folder
from tnas_cli.errors import DataError


def class_folders(folder: Folder, *, fewest: int, hint: str) -> dict[str, list[File]]:
    """The class folders of `folder` by name, each with its images in order; hidden entries and other files are ignored.

    A class whose images all lie in a folder `images` inside it counts too (Tiny-ImageNet's layout). Raises DataError
    when a class holds no image (saying what it holds instead), or there are fewer than `fewest` classes; `hint`
    describes the layout.
    """
    found = {name: _images_of(entry) for name, entry in folder.folders().items()}
    if len(found) < fewest:
        names = f" ({', '.join(list(found)[:5])})" if found else ""
        raise DataError(f"{folder.label} holds {len(found)} class folders{names}; {fewest} are needed.", hint=hint)
    return found


def images_in(folder: Folder) -> list[File]:
    """The image files directly in a folder, in order."""
    return [file for name, file in folder.files().items() if is_image_name(name)]


def _images_of(entry: Folder) -> list[File]:
    images = images_in(entry)
    inner = None if images else entry.find("images")
    images = images or (images_in(inner) if inner else [])
    if not images:
        raise DataError(
            f"class folder {entry.label} holds no image{_instead(entry)}.",
            hint="add PNG, JPEG or WebP files to it, or move it away",
        )
    return images


def _instead(folder: Folder) -> str:
    others = [*folder.folders(), *folder.files()]
    return f" (ignored: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''})" if others else ""
