"""Images as a person names them: files, folders, patterns, or a list."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.class_folders import images_below
from tnas_cli.episodes.places import DiskFolder, File, disk_file
from tnas_cli.errors import DataError
from tnas_cli.runs.files import exists

HINT = "name image files, folders with images, patterns such as 'photos/*.jpg', or - for a list on standard input"


@dataclass(frozen=True)
class GivenImage:
    """An image by the path that names it."""

    name: str
    file: File


class Everything(Account):
    """An account that also keeps every file that is left out, with the reason."""

    def __init__(self) -> None:
        super().__init__()
        self.not_used: list[tuple[str, str]] = []

    def left_out(self, why: str, name: str, count: int = 1) -> None:
        super().left_out(why, name, count)
        self.not_used.append((name, why))


def given_images(words: Iterable[str], stdin: str | None = None) -> tuple[list[GivenImage], Everything]:
    """The images that words name, each once and in their order; and what became of the other files in folders.

    A folder stands for all images in it and below. '-' stands for the lines of `stdin`. Raises DataError for a path or
    a pattern that names nothing, a pipe or a device, and where there is no image at all.
    """
    account = Everything()
    with account.said_of_errors():
        return _found(words, stdin, account), account


def _found(words: Iterable[str], stdin: str | None, account: Everything) -> list[GivenImage]:
    found: dict[Path, GivenImage] = {}
    for path in _paths(words, stdin):
        if path.is_dir():
            files = images_below(DiskFolder(path, account), set())
        elif path.is_file():
            files = [disk_file(path)]
        else:
            raise DataError(f"{path} is not a regular file.", hint=HINT)
        for file in files:
            place = Path(file.label)
            if place.resolve() in found:
                account.duplicate("images that are named more than once, answered once", file.label)
            found.setdefault(place.resolve(), GivenImage(file.label, file))
    if not found:
        raise DataError(f"no image is among the {account.record().count('left out')} files that were given.", hint=HINT)
    return list(found.values())


def _paths(words: Iterable[str], stdin: str | None) -> Iterator[Path]:
    for word in words:
        if word == "-":
            yield from (_existing(line) for line in (stdin or "").splitlines() if line.strip())
        elif not exists(Path(word)) and glob.has_magic(word):
            matching = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  a pattern may be absolute
            if not matching:
                raise DataError(f"nothing matches {word!r}.", hint=HINT)
            yield from map(Path, matching)
        else:
            yield _existing(word)


def _existing(word: str) -> Path:
    path = Path(word)
    if not exists(path):
        raise DataError(f"{word} does not exist.", hint=HINT)
    return path
