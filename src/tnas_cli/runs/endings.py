"""One rule for the names of files: an ending is obeyed, whatever the case of its letters, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tnas_cli.errors import SettingsError
from tnas_cli.spelling import quoted

#: Caches of images; such a name stands for a file wherever a command takes a data set.
CACHES = (".h5", ".hdf5")
CHECKPOINTS = (".pt",)
PICTURES = (".svg", ".png")
PAGES = (".html", ".htm")


def has_ending(path: Path | str, endings: Iterable[str]) -> bool:
    """Whether the file's name, which is more than an ending, ends in one of these."""
    name = Path(path).name.lower()
    return any(name.endswith(ending) and name != ending for ending in endings)


def ending_of(path: Path, endings: Iterable[str], what: str) -> str:
    """The one of `endings` that the file has, in small letters. Raises SettingsError for any other name.

    what: the option or argument that named it.
    """
    known = tuple(endings)
    for ending in known:
        if has_ending(path, [ending]):
            return ending
    listed = ", ".join(known[:-1]) + (" or " if len(known) > 1 else "") + known[-1]
    stem = path.name.split(".")[0].strip("-") or "file"
    raise SettingsError(
        f"{what} {path}: the name does not end in {listed}.",
        hint=f"for example: {quoted(path.parent / f'{stem}{known[0]}')}",
    )
