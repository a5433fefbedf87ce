"""Folders whose subfolders are classes: the layout of data sets and of task folders."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.episodes.images import is_image_name
from tnas_cli.errors import DataError


def class_folders(folder: Path, *, fewest: int, hint: str) -> dict[str, list[Path]]:
    """The class folders of `folder` by name, each with its images in order; hidden entries and other files are ignored.

    Raises DataError when `folder` is missing, a class holds no image (saying what it holds instead), or there are
    fewer than `fewest` classes; `hint` describes the layout.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder." if folder.exists() else f"{folder} does not exist.", hint=hint)
    found: dict[str, list[Path]] = {}
    for entry in _listed(folder):
        if entry.is_dir() and not entry.name.startswith("."):
            found[entry.name] = [path for path in _listed(entry) if is_image_name(path.name) and path.is_file()]
            if not found[entry.name]:
                raise DataError(
                    f"class folder {entry} holds no image{_instead(entry)}.",
                    hint="add PNG, JPEG or WebP files to it, or remove it",
                )
    if len(found) < fewest:
        names = f" ({', '.join(found)})" if found else ""
        raise DataError(f"{folder} holds {len(found)} class folders{names}; {fewest} are needed.", hint=hint)
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}.", hint="check its permissions") from error


def _instead(folder: Path) -> str:
    others = [path.name for path in _listed(folder)]
    return f" (ignored: {', '.join(others[:3])}{', ...' if len(others) > 3 else ''})" if others else ""
