"""Folders of files, on disk or inside an archive, behind one interface. Nothing is ever extracted.

An archive in a folder, or in an archive, stands for a folder. `archives` says which are refused.
"""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.archives import TARS, ZIPS, Member, archive_stem, members
from tnas_cli.episodes.regions import Region, RegionStream, region_of
from tnas_cli.episodes.unfolding import spooled
from tnas_cli.errors import DataError, TnasError

LARGEST_FILE = 64 * 2**20  # bytes of one image file, as stored
NESTED = 2  # archives in archives

#: What systems leave in folders beside hidden files.
SYSTEM = frozenset(
    {
        *(".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX", "@eaDir", "Icon\r"),
        *("$RECYCLE.BIN", "System Volume Information", "lost+found", ".Spotlight-V100", ".Trashes", ".directory"),
    }
)
LOST_LINK = "links that lead nowhere or in a circle"
NOT_REGULAR = "pipes, sockets or devices"
NOT_UTF_8 = "files whose names are not UTF-8"


@dataclass(frozen=True)
class File:
    """One file: its name in messages, how to open it, the bytes it takes where it is packed, its path if it is not."""

    label: str
    open: Callable[[], IO[bytes]]
    packed: int = 0
    path: Path | None = None

    def read(self, limit: int = LARGEST_FILE) -> bytes:
        """The whole content; raises DataError, naming the file, when it cannot be read or is larger than `limit`."""
        try:
            with self.open() as stream:
                data = stream.read(limit + 1)
        except Exception as error:  # what is damaged in an archive fails in any way
            raise self._unreadable(error) from error
        if len(data) > limit:
            raise DataError(
                f"{self.label} is larger than {limit / 2**20:.0f} MiB.", hint="move it away, or save it smaller"
            )
        return data

    def head(self, size: int) -> bytes:
        """Its first bytes; raises DataError, naming the file, when it cannot be read."""
        try:
            with self.open() as stream:
                return stream.read(size)
        except Exception as error:
            raise self._unreadable(error) from error

    def region(self) -> Region:
        """The content as bytes on disk, however many: read by position where they are, or unpacked from a zip first.

        Raises DataError, naming the file.
        """
        try:
            with self.open() as stream:
                raw = getattr(stream, "raw", None)
                if isinstance(raw, RegionStream):
                    return raw.region
                return spooled(iter(lambda: stream.read(2**20), b""), self.packed, self.label)
        except Exception as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> TnasError:
        if isinstance(error, TnasError):
            return error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return DataError(f"{self.label} cannot be read: {reason}.", hint="replace it, or move it away")


class Folder(ABC):
    """A folder: its `name`, its name in messages (`label`), and its contents. What is neither a folder nor a file to
    read (hidden, a link that leads nowhere, a device) is in `account` as left out.
    """

    name: str
    label: str
    account: Account
    told = False  # whether the account says already which files of it are no images

    @property
    def place(self) -> str:
        """What two names of the same folder, such as a link and its target, have in common."""
        return self.label

    @abstractmethod
    def folders(self) -> dict[str, Folder]:
        """The folders in it by name, sorted."""

    @abstractmethod
    def files(self) -> dict[str, File]:
        """The files in it by name, sorted."""

    def find(self, *names: str) -> Folder | None:
        """The folder at a path inside this one, or None."""
        found: Folder | None = self
        for name in names:
            found = found.folders().get(name) if found else None
        return found


class DiskFolder(Folder):
    """A folder on disk, listed on demand and once. An archive `X.zip` or `X.tar` in it stands for a folder X if there
    is none. Links are followed; what is no regular file is never opened.

    Entries whose names are not Unicode text are refused: no cache could name them.
    """

    def __init__(self, path: Path, account: Account | None = None) -> None:
        self.path, self.name, self.label = path, path.resolve().name, str(path)
        self.account = account or Account()

    @property
    def place(self) -> str:
        return str(self.path.resolve())

    @cached_property
    def _listed(self) -> tuple[list[Path], list[Path]]:
        """The folders and the regular files, sorted."""
        try:
            entries = sorted(self.path.iterdir())
        except OSError as error:
            raise DataError(f"{self.path} cannot be listed: {error.strerror}.", hint="check its permissions") from error
        folders: list[Path] = []
        files: list[Path] = []
        for path in entries:
            why = _why_hidden(path.name) or self._not_to_read(path)
            if why:
                self.account.left_out(why, shown(str(path)))
            elif shown(path.name) == path.name:
                (folders if path.is_dir() else files).append(path)
            elif path.is_dir():  # a class without a name that can be kept
                raise DataError(f"{self.path} holds {path.name!r}, which is not a UTF-8 name.", hint="rename it")
            else:
                self.account.left_out(NOT_UTF_8, shown(str(path)))
        return folders, files

    @staticmethod
    def _not_to_read(path: Path) -> str | None:
        try:
            kind = path.stat().st_mode
        except OSError as error:
            return LOST_LINK if path.is_symlink() else f"files that cannot be looked at ({error.strerror})"
        return None if stat.S_ISDIR(kind) or stat.S_ISREG(kind) else NOT_REGULAR

    @cached_property
    def _folders(self) -> dict[str, Folder]:
        folders, files = self._listed
        found: dict[str, Folder] = {path.name: DiskFolder(path, self.account) for path in folders}
        for path in files:
            stem = archive_stem(path.name)
            if stem and stem in found:
                self.account.left_out("archives beside a folder of the same name", str(path))
            elif stem:
                found[stem] = PackedFolder(stem, disk_file(path), self.account)
        return dict(sorted(found.items()))

    def folders(self) -> dict[str, Folder]:
        return self._folders

    def files(self) -> dict[str, File]:
        return {path.name: disk_file(path) for path in self._listed[1]}


class PackedFolder(Folder):
    """The archive `X.zip` as a folder X, opened when it is asked: the contents of its folder X if it holds nothing
    else, otherwise all of it.
    """

    def __init__(self, name: str, file: File, account: Account, nested: int = 0) -> None:
        self.name, self.label, self.account, self._file, self._nested = name, file.label, account, file, nested

    @cached_property
    def _opened(self) -> ArchiveFolder:
        found = open_archive(self._file, self.account, self._nested)
        return found.inner[self.name] if list(found.inner) == [self.name] and not found.members else found

    def folders(self) -> dict[str, Folder]:
        return self._opened.folders()

    def files(self) -> dict[str, File]:
        return self._opened.files()


@dataclass
class ArchiveFolder(Folder):
    """A folder in an archive, listed as a whole when the archive is opened."""

    name: str
    label: str
    account: Account = field(default_factory=Account)
    nested: int = 0
    inner: dict[str, ArchiveFolder] = field(default_factory=dict)
    members: dict[str, File] = field(default_factory=dict)
    _archives: dict[str, Folder] = field(default_factory=dict)

    def folders(self) -> dict[str, Folder]:
        found: dict[str, Folder] = dict(self.inner)
        for name, file in self.members.items() if self.nested < NESTED else ():
            stem = archive_stem(name)
            if stem and stem not in found:
                found[stem] = self._archives.setdefault(stem, PackedFolder(stem, file, self.account, self.nested + 1))
        return dict(sorted(found.items()))

    def files(self) -> dict[str, File]:
        return dict(sorted(self.members.items()))

    def add(self, member: Member) -> None:
        """Add one member by its path."""
        here = self
        for part in member.parts[:-1]:
            inner = here.inner.get(part)
            if inner is None:
                inner = here.inner[part] = ArchiveFolder(part, f"{here.label}/{part}", self.account, self.nested)
            here = inner
        name = member.parts[-1]
        if name in here.members:
            raise DataError(f"{here.label} holds {name!r} twice.", hint="pack it again, with each file once")
        here.members[name] = File(f"{here.label}/{name}", member.open, member.packed)


def disk_file(path: Path) -> File:
    """A file on disk."""
    return File(str(path), lambda: region_of(path).open(), path=path)


def open_place(path: Path, hint: str, account: Account | None = None) -> Folder:
    """A folder or an archive by its path; `hint` says what is expected there, and `account` is told what is left out.

    Raises DataError.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "does not exist" if missing else f"cannot be opened: {getattr(error, 'strerror', error)}"
        raise DataError(f"{path} {reason}.", hint=hint) from error
    if is_folder:
        return DiskFolder(path, account)
    if not archive_stem(path.name):
        raise DataError(f"{path} is neither a folder nor a {', '.join(ZIPS + TARS)} archive.", hint=hint)
    found = open_archive(disk_file(path), account or Account())
    while len(found.inner) == 1 and not found.members:
        (found,) = found.inner.values()
    return found


def open_archive(file: File, account: Account, nested: int = 0) -> ArchiveFolder:
    """List an archive; `account` is told of hidden members. Raises DataError for one that is damaged, unsafe or beyond
    the limits.
    """
    name = file.label.rsplit("/", 1)[-1]
    root = ArchiveFolder(archive_stem(name) or name, file.label, account, nested)
    for member in members(file.region(), file.label):
        why = next(filter(None, map(_why_hidden, member.parts)), None)
        if why:
            account.left_out(why, shown(f"{file.label}/{'/'.join(member.parts)}"))
        else:
            root.add(member)
    return root


def _why_hidden(name: str) -> str | None:
    """Why an entry is not looked at by its name, in words that follow a count."""
    if name in SYSTEM or name.startswith("._"):
        return "files or folders that a system left"
    return "hidden files or folders" if name.startswith(".") else None


def shown(name: str) -> str:
    """A name of any bytes as text that any stream can take."""
    return name.encode("utf-8", "replace").decode("utf-8")
