"""Where a data set lies: in the folder that was named, or in one or more folders or archives inside it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TypeVar

from tnas_cli.episodes.places import Folder, PackedFolder
from tnas_cli.errors import DataError

DEEPEST = 4  # folders in folders
WIDEST = 40  # a folder with more folders in it holds classes, not data sets
MOST = 400  # folders of one depth

Found = TypeVar("Found")


def find_inside(place: Folder, read: Callable[[Folder], Found | None]) -> Found | None:
    """What `read` finds in `place`, or else in the nearest folder inside it; archives are opened where no folder does.

    The account of `place` is told where it was, and of further folders of the same depth that hold it too. Raises what
    `read` raises, and DataError where nothing is found and an archive could not be opened.
    """
    unreadable: list[DataError] = []
    for with_archives in (False, True):
        level = [place]
        for depth in range(DEEPEST + 1):
            found = [(folder, value) for folder in level if (value := read(folder)) is not None]
            if found:
                _tell(place, found[0][0], [folder for folder, _ in found[1:]], deep=depth > 0)
                return found[0][1]
            level = [inner for folder in level for inner in _inside(folder, with_archives, unreadable)][:MOST]
    if unreadable:
        raise unreadable[0]
    return None


def _inside(folder: Folder, with_archives: bool, unreadable: list[DataError]) -> list[Folder]:
    inner = list(folder.folders().values())
    if len(inner) > WIDEST:
        return []
    found = []
    for one in inner:
        if isinstance(one, PackedFolder):
            if not with_archives:
                continue
            try:
                one.folders()
            except DataError as error:
                unreadable.append(error)
                continue
        found.append(one)
    return found


def _tell(place: Folder, chosen: Folder, others: list[Folder], *, deep: bool) -> None:
    if deep:
        place.account.understand(f"the data set is in {chosen.label}")
    for other in others:
        place.account.left_out("folders that hold the data set once more", f"{other.label}/")


def leave(folder: Folder, used: Set[str]) -> None:
    """Tell the account of the folder which of its files and folders the data set does not need."""
    for name, file in folder.files().items():
        if name not in used:
            folder.account.left_out("files that the data set does not need", file.label)
    for name, inner in folder.folders().items():
        if name not in used and not isinstance(inner, PackedFolder):
            folder.account.left_out("folders that the data set does not need", f"{inner.label}/")
