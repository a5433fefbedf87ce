"""Folders of files, on disk or inside an archive, behind one interface. Nothing is ever extracted.

Archives are untrusted. A member whose name points outside the archive, a link or a device is refused before anything
is read, and three limits guard against archives that unpack without end: MEMBERS, UNFOLDED and, for each file that is
read, LARGEST_FILE.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tnas_cli.episodes.account import Account
from tnas_cli.errors import DataError
from tnas_cli.runs.files import temporary_file, temporary_folder, writing

MEMBERS = 2_000_000
UNFOLDED = 16 * 2**30  # bytes that a compressed tar may take on disk while it is read
LARGEST_FILE = 64 * 2**20  # bytes of one image file, as stored

ZIPS = (".zip",)
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
#: What systems leave in folders beside hidden files.
SYSTEM = frozenset(
    {
        *(".DS_Store", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", "__MACOSX", "@eaDir", "Icon\r"),
        *("$RECYCLE.BIN", "System Volume Information", "lost+found", ".Spotlight-V100", ".Trashes", ".directory"),
    }
)
LOST_LINK = "links that lead nowhere or in a circle"
NOT_REGULAR = "pipes, sockets or devices"
_UNPACKERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,  # an encrypted zip
    NotImplementedError,  # a compression that Python does not know
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
)
DAMAGED = "the archive is damaged or incomplete; download or copy it again"


@dataclass(frozen=True)
class File:
    """One file: its name in messages, and how to open it."""

    label: str
    open: Callable[[], IO[bytes]]

    def read(self, limit: int = LARGEST_FILE) -> bytes:
        """The whole content; raises DataError, naming the file, when it cannot be read or is larger than `limit`."""
        try:
            with self.open() as stream:
                data = stream.read(limit + 1)
        except _UNREADABLE as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise DataError(
                f"{self.label} cannot be read: {reason}.",
                hint="replace it, or move it away",
            ) from error
        if len(data) > limit:
            raise DataError(
                f"{self.label} is larger than {limit / 2**20:.0f} MiB.",
                hint="move it away, or save it smaller",
            )
        return data


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

    @functools.cached_property
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
            elif not path.name.isascii() and path.name.encode("utf-8", "replace").decode() != path.name:
                raise DataError(f"{self.path} holds {path.name!r}, which is not a UTF-8 name.", hint="rename it")
            else:
                (folders if path.is_dir() else files).append(path)
        return folders, files

    @staticmethod
    def _not_to_read(path: Path) -> str | None:
        try:
            kind = path.stat().st_mode
        except OSError as error:
            return LOST_LINK if path.is_symlink() else f"files that cannot be looked at ({error.strerror})"
        return None if stat.S_ISDIR(kind) or stat.S_ISREG(kind) else NOT_REGULAR

    @functools.cached_property
    def _folders(self) -> dict[str, Folder]:
        folders, files = self._listed
        found: dict[str, Folder] = {path.name: DiskFolder(path, self.account) for path in folders}
        for path in files:
            stem = archive_stem(path.name)
            if stem and stem in found:
                self.account.left_out("archives beside a folder of the same name", str(path))
            elif stem:
                found[stem] = _in_its_place(path, stem, self.account)
        return dict(sorted(found.items()))

    def folders(self) -> dict[str, Folder]:
        return self._folders

    def files(self) -> dict[str, File]:
        return {path.name: disk_file(path) for path in self._listed[1]}


@dataclass
class ArchiveFolder(Folder):
    """A folder in an archive, listed as a whole when the archive is opened."""

    name: str
    label: str
    inner: dict[str, ArchiveFolder] = field(default_factory=dict)
    members: dict[str, File] = field(default_factory=dict)
    account: Account = field(default_factory=Account)

    def folders(self) -> dict[str, Folder]:
        return dict(sorted(self.inner.items()))

    def files(self) -> dict[str, File]:
        return dict(sorted(self.members.items()))

    def add(self, parts: tuple[str, ...], open_member: Callable[[], IO[bytes]]) -> None:
        """Add one member by its path."""
        here = self
        for part in parts[:-1]:
            here = here.inner.setdefault(part, ArchiveFolder(part, f"{here.label}/{part}", account=self.account))
        here.members[parts[-1]] = File(f"{here.label}/{parts[-1]}", open_member)


def disk_file(path: Path) -> File:
    """A file on disk."""
    return File(str(path), lambda: path.open("rb"))


def open_place(path: Path, hint: str, account: Account | None = None) -> Folder:
    """A folder or an archive by its path; `hint` says what is expected there, and `account` is told what is left out.

    Raises DataError.
    """
    try:
        kind = path.stat().st_mode
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be opened: {error.strerror}"
        raise DataError(f"{path} {reason}.", hint=hint) from error
    if stat.S_ISDIR(kind):
        return DiskFolder(path, account)
    if not archive_stem(path.name):
        raise DataError(f"{path} is neither a folder nor a {', '.join(ZIPS + TARS)} archive.", hint=hint)
    found = open_archive(path, account)
    while len(found.inner) == 1 and not found.members:
        (found,) = found.inner.values()
    return found


def _in_its_place(path: Path, stem: str, account: Account) -> Folder:
    """The archive `X.zip` as a folder X: the contents of its folder X if it holds nothing else, otherwise all of it."""
    found = open_archive(path, account)
    return found.inner[stem] if list(found.inner) == [stem] and not found.members else found


def archive_stem(name: str) -> str | None:
    """A file's name without the ending of an archive; None for other files."""
    for ending in (*ZIPS, *sorted(TARS, key=len, reverse=True)):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return None


def open_archive(path: Path, account: Account | None = None) -> ArchiveFolder:
    """List an archive; `account` is told of hidden members. Raises DataError for one that is damaged, unsafe or beyond
    the limits.
    """
    root = ArchiveFolder(archive_stem(path.name) or path.name, str(path), account=account or Account())
    opened = _zip_members(path) if path.name.lower().endswith(ZIPS) else _tar_members(path)
    try:
        with closing(opened) as members:
            for number, (name, open_member) in enumerate(members, start=1):
                if number > MEMBERS:
                    raise DataError(f"{path} has more than {MEMBERS:,} members.", hint="unpack it, and pass the folder")
                parts = _parts(path, name)
                why = next(filter(None, map(_why_hidden, parts)), None)
                if why:
                    root.account.left_out(why, shown(f"{path}/{name}"))
                elif parts:
                    root.add(parts, open_member)
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an archive: {error}.", hint=DAMAGED) from error
    return root


def _why_hidden(name: str) -> str | None:
    """Why an entry is not looked at by its name, in words that follow a count."""
    if name in SYSTEM or name.startswith("._"):
        return "files or folders that a system left"
    return "hidden files or folders" if name.startswith(".") else None


def shown(name: str) -> str:
    """A name of any bytes as text that any stream can take."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """The path of a member, refused when it would lead outside its folder."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\\" in name or (parts and parts[0][1:2] == ":"):
        raise DataError(
            f"{archive} holds a member that points outside of it: {name!r}.", hint="do not use this archive"
        )
    return parts


def _refuse(archive: Path, name: str) -> DataError:
    return DataError(f"{archive} holds a link, a device or a sparse file: {name!r}.", hint="pack the files themselves")


Members = Generator[tuple[str, Callable[[], IO[bytes]]], None, None]


class Shared:
    """An open file that is read by position, so threads do not move each other's position.

    It outlives the file object it is made of, and is closed with its last reader.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        return os.pread(self._descriptor, size, offset)

    def __del__(self) -> None:
        os.close(self._descriptor)


class _Part(io.RawIOBase):
    """A part of a shared file. Only what is asked for is read, as a member's size is only what its archive claims."""

    def __init__(self, shared: Shared, offset: int, size: int) -> None:
        self._shared, self._at, self._end = shared, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._shared.read(min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _zip_members(path: Path) -> Members:
    archive = zipfile.ZipFile(path)
    for member in archive.infolist():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refuse(path, member.filename)
        if not member.is_dir():
            yield member.filename, lambda member=member: archive.open(member)  # type: ignore[misc]


def _tar_members(path: Path) -> Members:
    with _plain_tar(path) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        shared = Shared(plain)
        for member in archive:
            if member.isdir():
                continue
            # A sparse file's bytes are not contiguous in the archive.
            if not member.isreg() or member.issparse():
                raise _refuse(path, member.name)
            yield member.name, _part_of(shared, member.offset_data, member.size)


def _part_of(shared: Shared, offset: int, size: int) -> Callable[[], IO[bytes]]:
    return lambda: io.BufferedReader(_Part(shared, offset, size))


@contextmanager
def _plain_tar(path: Path) -> Iterator[IO[bytes]]:
    """A tar without compression; a compressed one is unpacked into an unnamed temporary file."""
    with path.open("rb") as file:
        unpack = _UNPACKERS.get(file.read(2))
        if unpack is None:
            file.seek(0)
            yield file
            return
    with temporary_file() as plain:
        with unpack(path) as stream:
            while block := stream.read(2**20):
                with writing(temporary_folder()):
                    plain.write(block)
                    plain.flush()
                if plain.tell() > UNFOLDED:
                    raise DataError(
                        f"{path} unpacks to more than {UNFOLDED / 2**30:.0f} GiB.", hint="unpack it yourself"
                    )
        plain.seek(0)
        yield plain
