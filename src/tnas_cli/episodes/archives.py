"""Listing archives that anybody may have made. Nothing is extracted, and nothing is read before the list is checked.

A member is refused when its name leads out of the archive or is none that a file may have, when it is a link or a
device, encrypted, or shares its bytes with another. Limits guard against archives without end: MEMBERS,
INDEX, and those of `unfolding`.
"""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from tnas_cli.episodes import tar
from tnas_cli.episodes.regions import Region
from tnas_cli.episodes.unfolding import is_packed, unpacked
from tnas_cli.errors import DataError, TnasError

MEMBERS = 250_000
INDEX = 128 * 2**20  # bytes of a zip's list of members
LONGEST_NAME, LONGEST_PATH, DEEPEST = 255, 4096, 64  # bytes, as on file systems; folders in folders

ZIPS = (".zip",)
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
DAMAGED = "the archive is damaged or incomplete; download or copy it again"


@dataclass(frozen=True)
class Member:
    """A file in an archive: its path, how to open it, and the bytes that it takes there."""

    parts: tuple[str, ...]
    open: Callable[[], IO[bytes]]
    packed: int


def archive_stem(name: str) -> str | None:
    """A file's name without the ending of an archive; None for other files."""
    for ending in (*ZIPS, *sorted(TARS, key=len, reverse=True)):
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return None


def members(region: Region, label: str) -> Iterator[Member]:
    """The files of the archive at `region`, which messages call `label`.

    Raises DataError for an archive that is damaged, unsafe or beyond the limits.
    """
    listed = _of_zip if label.lower().endswith(ZIPS) else _of_tar
    try:
        for number, (name, open_member, packed) in enumerate(listed(region, label), start=1):
            if number > MEMBERS:
                raise _too_many(label)
            parts = _parts(label, name)
            if open_member is not None and parts:
                yield Member(parts, open_member, packed)
    except TnasError:
        raise
    except Exception as error:  # a damaged archive fails in any way
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{label} cannot be read as an archive: {reason}.", hint=DAMAGED) from error


#: Name, how to open it (None for a folder), and the bytes that it takes.
Listed = Iterator[tuple[str, Callable[[], IO[bytes]] | None, int]]


def _of_zip(region: Region, label: str) -> Listed:
    _check_index(region, label)
    archive = zipfile.ZipFile(region.open())
    end = 0
    for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise DataError(
                f"{label} holds {member.filename!r} in the bytes of another member, as bombs do.",
                hint="do not use this archive",
            )
        end = member.header_offset + member.compress_size
    for member in archive.infolist():
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _special(label, member.filename)
        if member.flag_bits & 1:
            raise DataError(
                f"{label} is encrypted ({member.filename!r}).", hint="unpack it with its password, and pass the folder"
            )
        opened = None if member.is_dir() else _opener(archive, member)
        yield member.filename, opened, member.compress_size


def _opener(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(member)


def _check_index(region: Region, label: str) -> None:
    """Refuse a zip with too many members before zipfile makes an object of each: its list is counted as bytes."""
    start = max(0, region.size - 22 - 0xFFFF)
    tail = region.read(region.size, start)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it has no list of members at its end")
    end, size = start + at, struct.unpack("<L", tail[at + 12 : at + 16])[0]
    locator = region.read(20, end - 20) if end >= 20 else b""
    if locator.startswith(b"PK\6\7"):
        record = region.read(56, end - 76) if end >= 76 else b""
        size = struct.unpack("<Q", record[40:48])[0] if record.startswith(b"PK\6\6") else size
        end -= 76
    if size > INDEX or region.read(size, max(0, end - size)).count(b"PK\1\2") > MEMBERS:
        raise _too_many(label)


def _of_tar(region: Region, label: str) -> Listed:
    plain = unpacked(region, label) if is_packed(region) else region
    if plain.size > MEMBERS * tar.BLOCK and tar.count(plain, MEMBERS + 1) > MEMBERS:
        raise _too_many(label)  # before each member is looked at
    for entry in tar.entries(plain):
        if entry.kind == "other":
            raise _special(label, entry.name)
        opened = None if entry.kind == "folder" else plain.part(entry.offset, entry.size).open
        yield entry.name, opened, entry.size


def _parts(label: str, name: str) -> tuple[str, ...]:
    """The path of a member, refused when it would lead outside its folder, or when no file could have that name."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or "\\" in name or (parts and parts[0][1:2] == ":"):
        raise DataError(f"{label} holds a member that points outside of it: {name!r}.", hint="do not use this archive")
    if not name.isascii() and name.encode("utf-8", "replace").decode() != name:
        raise DataError(f"{label} holds {name!r}, which is not a UTF-8 name.", hint="rename it, and pack it again")
    if len(name) > LONGEST_NAME and (
        len(name.encode()) > LONGEST_PATH
        or len(parts) > DEEPEST
        or max(len(part.encode()) for part in parts or ("",)) > LONGEST_NAME
    ):
        raise DataError(
            f"{label} holds a name that is longer than a file's may be: '{name[:60]}...'.",
            hint="give it a shorter name",
        )
    return parts


def _special(label: str, name: str) -> DataError:
    return DataError(f"{label} holds a link, a device or a sparse file: {name!r}.", hint="pack the files themselves")


def _too_many(label: str) -> DataError:
    return DataError(f"{label} has more than {MEMBERS:,} members.", hint="unpack it, and pass the folder")
