"""What people have around their data: one folder more, or the same tree twice, as unpacked archives leave them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes.class_folders import images_in
from tnas_cli.episodes.places import File, Folder
from tnas_cli.errors import DataError
from tnas_cli.spelling import quoted

DEEPEST = 20  # folders around folders; a link may lead in a circle


@dataclass
class Without(Folder):
    """A folder without one of the folders in it."""

    whole: Folder
    left: str

    def __post_init__(self) -> None:
        self.name, self.label, self.account = self.whole.name, self.whole.label, self.whole.account

    @property
    def place(self) -> str:
        return self.whole.place

    def folders(self) -> dict[str, Folder]:
        return {name: folder for name, folder in self.whole.folders().items() if name != self.left}

    def files(self) -> dict[str, File]:
        return self.whole.files()


def data_in(place: Folder) -> Folder:
    """The folder that holds the data: `place`, or the only folder in it that holds folders in turn.

    A folder that repeats the tree around it is left out. Raises DataError if it repeats the folders and not the files.
    """
    for _ in range(DEEPEST):
        place = without_copy(place)
        inside = list(place.folders().values())
        if len(inside) != 1 or not inside[0].folders() or images_in(place):
            break
        place.account.understand(f"the data are in {inside[0].label}/")
        place = inside[0]
    return place


def without_copy(place: Folder) -> Folder:
    inside = place.folders()
    for name, inner in inside.items():
        others = set(inside) - {name}
        if len(others) < 2 or set(inner.folders()) != others:
            continue
        rest = Without(place, name)
        copy, files = files_below(inner), files_below(rest)
        # Files directly in the outer folder are not part of what is repeated.
        if copy - {file for file in copy if "/" not in file} != {file for file in files if "/" in file}:
            raise DataError(
                f"{place.label} and {inner.label} hold the same folders, but not the same files.",
                hint=f"pass one of them, or move the other away: --source {quoted(Path(inner.label))}",
            )
        place.account.left_out(f"files of {name}/, which repeats the tree around it", f"{inner.label}/", len(copy))
        return rest
    return place


def files_below(folder: Folder) -> set[str]:
    """The paths of all files below a folder, each folder once."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [("", folder)]
    while waiting:
        before, here = waiting.pop()
        if here.place in seen:
            continue
        seen.add(here.place)
        found |= {before + name for name in here.files()}
        waiting += [(f"{before}{name}/", inner) for name, inner in here.folders().items()]
    return found
