"""The runs in a folder and in the folders below it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.runs.contents import is_surely_run
from tnas_cli.runs.files import cannot_read


def runs_below(folder: Path, unreadable: list[str] | None = None) -> list[Path]:
    """The runs below a folder, by path. Links are followed, and a folder that is met again is passed over; those that
    cannot be read are added to `unreadable`. Hidden folders are none: a run gets its name when all its files are there.

    Raises DataError for the folder itself.
    """
    return sorted(_walk(folder, [] if unreadable is None else unreadable))


def _walk(folder: Path, unreadable: list[str]) -> Iterator[Path]:
    if not folder.is_dir():
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        raise DataError(f"{folder} {what}.", hint="name the folder that --runs of a search or training named")

    def refuse(error: OSError) -> None:
        if Path(str(error.filename)) == folder:
            raise cannot_read(folder, error)
        unreadable.append(str(error.filename))

    seen: set[tuple[int, int]] = set()
    for place, names, _ in os.walk(folder, followlinks=True, onerror=refuse):
        shown = [Path(place, name) for name in sorted(names) if not name.startswith(".")]
        names[:] = [path.name for path in shown if _is_new(path, seen, refuse)]
        runs = [name for name in names if is_surely_run(Path(place, name))]
        yield from (Path(place, name) for name in runs)
        # Networks of a run are no runs: it is not searched.
        names[:] = [name for name in names if name not in runs]


def _is_new(path: Path, seen: set[tuple[int, int]], refuse: Callable[[OSError], None]) -> bool:
    try:
        found = path.stat()
    except OSError as error:
        refuse(error)
        return False
    key = (found.st_dev, found.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True
