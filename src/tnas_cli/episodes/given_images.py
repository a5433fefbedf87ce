"""Images as a person names them: files, folders, patterns, or a list."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.episodes.formats import is_image_name
from tnas_cli.episodes.places import File, disk_file
from tnas_cli.errors import DataError
from tnas_cli.runs.files import exists

HINT = "name image files, folders with images, patterns such as 'photos/*.jpg', or - for a list on standard input"


@dataclass(frozen=True)
class GivenImage:
    """An image by the path that names it."""

    name: str
    file: File


def given_images(words: Iterable[str], stdin: str | None = None) -> tuple[list[GivenImage], list[str]]:
    """The images that words name, each once and in their order; and the files in folders that are no images by name.

    A folder stands for all images in it and below, sorted. '-' stands for the lines of `stdin`. Raises DataError for a
    path or a pattern that names nothing, and where there is no image at all.
    """
    found: dict[Path, GivenImage] = {}
    others: list[str] = []
    for path in _paths(words, stdin):
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and not _hidden(one.relative_to(path)))
            others += [str(one) for one in inside if not is_image_name(one.name)]
            files = [one for one in inside if is_image_name(one.name)]
        else:
            files = [path]
        for file in files:
            found.setdefault(file.resolve(), GivenImage(str(file), disk_file(file)))
    if not found:
        raise DataError(f"no image is among the {len(others)} files that were given.", hint=HINT)
    return list(found.values()), others


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


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
