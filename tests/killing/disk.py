"""What is on a disk after a power cut: a journal of a run's calls, and the states that each of its beginnings allows.

Only what was flushed is there for sure: a file's content after its fsync, a folder's names after the folder's. Of the
rest, the system may have written anything or nothing; `STATES` are the extremes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.killing.borders import Hook

State = Literal["flushed", "names", "torn", "content"]

#: flushed: nothing but what was flushed. names: all names, and content that was flushed. torn: all names, and half of
#: what was not flushed. content: names that were flushed, with all content.
STATES: tuple[State, ...] = ("flushed", "names", "torn", "content")


#: Everything in a folder by its path, folders before what is in them: a file's content, a link's target, or None for a
#: folder.
Cut = tuple[tuple[str, bytes | str | None], ...]


@dataclass(frozen=True)
class Call:
    """A call that succeeded; `content` is the file's at that time."""

    kind: str
    paths: tuple[str, ...]
    content: bytes | None = None
    target: str | None = None


class Journal(Hook):
    """Writes down what a process does to the disk."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.borders = 0

    def before(self, kind: str, *paths: str) -> None:
        self.borders += 1

    def after(self, kind: str, *paths: str) -> None:
        path = Path(paths[-1])
        content = path.read_bytes() if kind in ("close", "fsync", "open") and path.is_file() else None
        target = str(path.readlink()) if kind == "symlink" else None
        self.calls.append(Call(kind, paths, content, target))


@dataclass
class _File:
    now: bytes = b""
    flushed: bytes = b""
    target: str | None = None


@dataclass
class _Folder:
    now: dict[str, _File | _Folder] = field(default_factory=dict)
    flushed: dict[str, _File | _Folder] = field(default_factory=dict)


class Disk:
    """A folder as it was, flushed, before the first call."""

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, _read(root)

    def replay(self, calls: Sequence[Call]) -> Iterator[int]:
        """Do the calls one after another; yields after each, and before the first, how many are done."""
        yield 0
        for number, call in enumerate(calls, start=1):
            self._do(call)
            yield number

    def cut(self, state: State) -> Cut:
        """What a power cut now may leave."""
        return tuple(_left(self.top, "", state))

    def _do(self, call: Call) -> None:
        folder, name = self._find(call.paths[-1])
        if call.kind == "fsync":
            entry = self.top if name == "" else folder.now.get(name)
            if isinstance(entry, _Folder):
                entry.flushed = dict(entry.now)
            elif entry is not None and call.content is not None:
                entry.now = entry.flushed = call.content
        elif call.kind in ("open", "close"):
            entry = folder.now.setdefault(name, _File()) if call.kind == "open" else folder.now.get(name)
            if isinstance(entry, _File) and call.content is not None:
                entry.now = call.content
        elif call.kind == "symlink":
            folder.now[name] = _File(target=call.target)
        elif call.kind == "mkdir":
            folder.now[name] = _Folder()
        elif call.kind in ("unlink", "rmdir"):
            folder.now.pop(name, None)
        elif call.kind == "rename":
            before, old = self._find(call.paths[0])
            folder.now[name] = before.now.pop(old)

    def _find(self, path: str) -> tuple[_Folder, str]:
        parts = Path(path).relative_to(self.root).parts
        folder = self.top
        for part in parts[:-1]:
            inner = folder.now[part]
            assert isinstance(inner, _Folder)
            folder = inner
        return folder, parts[-1] if parts else ""


def _read(path: Path) -> _Folder:
    found: dict[str, _File | _Folder] = {}
    for entry in sorted(path.iterdir()):
        content = b"" if entry.is_dir() else entry.read_bytes()
        found[entry.name] = _read(entry) if entry.is_dir() else _File(content, content)
    return _Folder(found, dict(found))


def build(cut: Cut, place: Path) -> None:
    """Make the folder as a power cut left it."""
    place.mkdir()
    for name, left in cut:
        if left is None:
            (place / name).mkdir()
        elif isinstance(left, str):
            (place / name).symlink_to(left)
        else:
            (place / name).write_bytes(left)


def _left(folder: _Folder, above: str, state: State) -> Iterator[tuple[str, bytes | str | None]]:
    for name, entry in sorted((folder.now if state in ("names", "torn") else folder.flushed).items()):
        if isinstance(entry, _Folder):
            yield above + name, None
            yield from _left(entry, f"{above}{name}/", state)
        else:
            yield above + name, _content(entry, state) if entry.target is None else entry.target


def _content(entry: _File, state: State) -> bytes:
    if state == "content":
        return entry.now
    if state != "torn" or entry.now == entry.flushed:
        return entry.flushed
    # What was appended is torn behind what was there; anything else is torn in its middle.
    begin = len(entry.flushed) if entry.now.startswith(entry.flushed) else 0
    return entry.now[: begin + (len(entry.now) - begin) // 2]
