"""Changes of bytes, for any format."""

from __future__ import annotations

from random import Random

NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def changed(data: bytes, other: bytes, random: Random) -> bytes:
    """`data` with one to four changes; `other` is another example to take pieces from."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice(_CHANGES)(data, other, random)
    return data


def _place(data: bytes, random: Random) -> int:
    """A place, more often near the beginning or the end, where formats keep their structures."""
    size = len(data)
    kind = random.random()
    if kind < 0.35:
        return random.randrange(min(size, 512) + 1)
    if kind < 0.6:
        return size - random.randrange(min(size, 2048) + 1)
    return random.randrange(size + 1)


def _piece(data: bytes, random: Random) -> tuple[int, int]:
    start = _place(data, random)
    return start, min(len(data), start + int(2 ** random.uniform(0, 14)))


def _flip(data: bytes, other: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8, 32))):
        if changed:
            changed[min(_place(data, random), len(changed) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _number(data: bytes, other: bytes, random: Random) -> bytes:
    """A number that programs get wrong, over what was there."""
    size = random.choice((1, 2, 4, 8))
    value = random.choice(NUMBERS) & (2 ** (8 * size) - 1)
    start = _place(data, random)
    return data[:start] + value.to_bytes(size, random.choice(("little", "big"))) + data[start + size :]


def _cut(data: bytes, other: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _without(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(data, random)
    return data[:start] + data[stop:]


def _zeros(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(data, random)
    return data[:start] + random.choice((b"\0", b"\xff")) * (stop - start) + data[stop:]


def _noise(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(data, random)
    return data[:start] + random.randbytes(stop - start) + data[stop:]


def _twice(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(data, random)
    return data[:stop] + data[start:stop] * random.choice((1, 1, 3)) + data[stop:]


def _swapped(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(data, random)
    to = _place(data, random)
    piece, rest = data[start:stop], data[:start] + data[stop:]
    return rest[:to] + piece + rest[to:]


def _spliced(data: bytes, other: bytes, random: Random) -> bytes:
    start, stop = _piece(other, random)
    at = _place(data, random)
    return data[:at] + other[start:stop] + data[random.choice((at, at + stop - start)) :]


_CHANGES = (_flip, _flip, _flip, _number, _number, _cut, _without, _zeros, _noise, _twice, _swapped, _spliced)
