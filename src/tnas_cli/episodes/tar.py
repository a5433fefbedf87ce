"""Listing a tar (ustar, GNU and pax) without believing it: sizes, names and kinds are checked before they are used.

Python's tarfile takes ten times as long for a member, reads extended headers of any size, and in some versions loops
on sizes below 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import adler32

from tnas_cli.episodes.regions import Region

BLOCK = 512
LONGEST_HEADER = 2**20  # bytes of an extended header: a name and a few times
MOST_HEADERS = 8  # extended headers before one member
MOST_RECORDS = 100  # in an extended header

FILES, FOLDER, LONG_NAME, LONG_LINK, PAX, PAX_FOR_ALL = (b"0", b"\0", b"7"), b"5", b"L", b"K", (b"x", b"X"), b"g"
EXTENDED = (LONG_NAME, LONG_LINK, PAX_FOR_ALL, *PAX)


class DamagedError(Exception):
    """The bytes are no tar, or not all of one."""


@dataclass(frozen=True)
class Entry:
    """A member: its name, its kind ('file', 'folder', or 'other' for links, devices and sparse files), its place."""

    name: str
    kind: str
    offset: int
    size: int


def entries(region: Region) -> Iterator[Entry]:
    """The members in order. Raises DamagedError."""
    at, headers = 0, 0
    name, records = "", dict[str, str]()
    while (block := region.read(BLOCK, at)) and block != bytes(BLOCK):
        kind, size = _checked(block)
        at += BLOCK
        if kind in EXTENDED:
            headers += 1
            if size > LONGEST_HEADER or headers > MOST_HEADERS:
                raise DamagedError("one of its members has an endless header")
            text = _whole(region, at, size, "a header")
            if kind == LONG_NAME:
                name = _text(text)
            elif kind in PAX:
                records = _records(text)
            at += _rounded(size)
            continue
        size = _octal(records["size"].encode(), 10) if "size" in records else size
        own = records.get("path") or name or _name(block)
        entry = _entry(own, kind, at, size, sparse=any(key.startswith("GNU.sparse") for key in records))
        if entry.kind == "file":
            if at + size > region.size:
                raise DamagedError(f"it ends within {own!r}")
            at += _rounded(size)
        yield entry
        headers, name, records = 0, "", {}
    if at == 0 and not block:
        raise DamagedError("it is empty")


def count(region: Region, most: int) -> int:
    """The number of members, up to `most`: a quick look at their sizes alone. It ends at what `entries` refuses, and at
    a size that is stated elsewhere."""
    at = found = headers = 0
    while found < most and headers <= MOST_HEADERS and len(block := region.read(BLOCK, at)) == BLOCK:
        kind, field = block[156:157], block[124:136].strip(b"\0 ")
        if not field.isdigit():
            break
        size, at = _octal(field), at + BLOCK
        if kind in EXTENDED:
            headers += 1
            if kind in PAX and b" size=" in region.read(min(size, LONGEST_HEADER), at):
                break
        else:
            found, headers = found + 1, 0
        at += _rounded(size) if kind in EXTENDED or kind in FILES else 0
    return found


def _entry(name: str, kind: bytes, at: int, size: int, *, sparse: bool) -> Entry:
    if kind in FILES and not sparse:
        # Before ustar, a folder was a file whose name ends with a slash.
        return Entry(name, "folder" if name.endswith("/") and size == 0 else "file", at, size)
    return Entry(name, "folder" if kind == FOLDER else "other", at, 0)


def _checked(block: bytes) -> tuple[bytes, int]:
    """The kind of a header and the size that it states."""
    if len(block) < BLOCK:
        raise DamagedError("it ends within a header")
    plain = block[:148] + b" " * 8 + block[156:]
    # Adler's checksum holds the sum of up to 257 bytes, and is computed ten times as fast as `sum`.
    total = (adler32(plain[:256], 0) & 0xFFFF) + (adler32(plain[256:], 0) & 0xFFFF)
    stated = block[148:156].strip(b"\0 ")
    if not stated.isdigit() or (_octal(stated) != total and _octal(stated) != _signed(block, total)):
        raise DamagedError("a header is damaged")
    field = block[124:136]
    if field[0] & 0x80:
        return block[156:157], int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(b"")
    return block[156:157], _octal(field.strip(b"\0 ") or b"0")


def _signed(block: bytes, total: int) -> int:
    """The sum as some old systems compute it, of bytes with a sign."""
    return total - 256 * sum(byte > 127 for byte in block)


def _octal(digits: bytes, base: int = 8) -> int:
    try:
        if digits.isdigit() and len(digits) < 30:
            return int(digits, base)
    except ValueError:
        pass
    raise DamagedError("a header states no size")


def _name(block: bytes) -> str:
    name, prefix = block[:100], block[345:500]
    posix = block[257:263] == b"ustar\0"
    return "/".join(_text(part) for part in ((prefix, name) if posix and prefix[0] else (name,)))


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _whole(region: Region, at: int, size: int, what: str) -> bytes:
    data = region.read(size, at)
    if len(data) < size:
        raise DamagedError(f"it ends within {what}")
    return data


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header: each is 'length keyword=value' and a newline."""
    found: dict[str, str] = {}
    at = 0
    for _ in range(MOST_RECORDS):
        if at == len(data):
            return found
        length, _, _ = data[at : at + 20].partition(b" ")
        end = at + _octal(length, 10)
        keyword, equals, value = data[at + len(length) + 1 : end - 1].partition(b"=")
        if end <= at or end > len(data) or not equals:
            raise DamagedError("an extended header is damaged")
        found[_text(keyword)] = value.decode("utf-8", "surrogateescape")
        at = end
    raise DamagedError("one of its members has an endless header")
