"""Changes of files that hold others: zip, tar, PNG, pickles, checkpoints, and caches with their index.

What a checksum guards is changed with the right checksum, so that readers go on to what lies behind it.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
import zlib
from random import Random

from tests.fuzzing import bytewise, texts
from tnas_cli.episodes.cache_index import FOOTER, MAGIC

#: What a pickle would do that runs code: the file `canary` appears.
CANARY = b"cposix\nsystem\n(S'touch canary'\ntR"
#: Pieces of a pickle: calls, names of torch and NumPy, numbers and memories that are not there.
OPCODES = (
    CANARY,
    b'cbuiltins\neval\n(S\'open("canary","w")\'\ntR',
    b'c__builtin__\nexec\n(S\'open("canary","w")\'\ntR',
    b"cos\nsystem\n(S'touch canary'\ntR",
    b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x0ctouch canary\x85R",
    b"ctorch\nload\n(S'x'\ntR",
    b"ctorch.storage\n_load_from_bytes\n(Bx\x00\x00\x00\x00tR",
    b"ctorch._utils\n_rebuild_tensor_v2\n(tR",
    b"ctorch\nzeros\n(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ftR",
    b"cnumpy\nzeros\n(J\xff\xff\xff\x7ftR",
    *(b".", b"0", b"1", b"2", b"(", b")", b"]", b"}", b"a", b"e", b"u", b"s", b"t", b"b", b"R", b"N", b"\x88"),
    *(
        b"h\xff",
        b"j\xff\xff\xff\xff",
        b"r\xff\xff\xff\x7f",
        b"K\xff",
        b"J\xff\xff\xff\xff",
        b"\x8a\xff" + b"\xff" * 255,
    ),
    *(
        b"X\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff",
        b"\x8e" + b"\xff" * 8,
        b"\x95" + b"\xff" * 8,
        b"I" + b"9" * 5000 + b"\n",
    ),
    *(b"Q", b"P1\n", b"(" * 2000, b"]" * 2000, b"\x85" * 2000, b"(lp0\nh\x00a"),
)
NAMES = (
    "../canary",
    "/canary",
    "a/../../canary",
    "C:\\canary",
    "",
    ".",
    "x" * 300,
    "a/" * 1000 + "x",
    "\u202e",
    "a\x00b",
)


def changed_pickle(data: bytes, other: bytes, random: Random) -> bytes:
    """A pickle with an opcode more, or with other bytes."""
    if random.random() < 0.5:
        return bytewise.changed(data, other, random)
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(OPCODES) + data[at:]


def changed_zip(data: bytes, other: bytes, random: Random) -> bytes:
    """A zip with other names, sizes, flags, kinds or contents of its members, packed anew."""
    members = _members(data)
    if random.random() < 0.3 or not members:
        return bytewise.changed(data, other, random)
    out = io.BytesIO()
    chosen = random.randrange(len(members))
    with zipfile.ZipFile(out, "w") as packing:
        for number, (info, content) in enumerate(members):
            if number == chosen:
                kind = random.random()
                if kind < 0.3:
                    content = bytewise.changed(content, other, random)
                elif kind < 0.5:
                    info = zipfile.ZipInfo(random.choice(NAMES))
                elif kind < 0.6:
                    info.external_attr = random.choice((0o120777, 0o020666, 0o010644, 0o177777)) << 16
                elif kind < 0.7:
                    info.compress_type, content = zipfile.ZIP_DEFLATED, bytes(2**26)
                elif kind < 0.8:
                    info.compress_type = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
                elif kind < 0.9:
                    packing.writestr(info, content)
                else:
                    continue
            packing.writestr(info, content)
    packed = out.getvalue()
    return _headers(packed, random) if random.random() < 0.4 else packed


def _members(data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def _headers(data: bytes, random: Random) -> bytes:
    """Other numbers in one header of a zip, in its members, its directory or its end."""
    places = [at for sign in (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06") for at in _all(data, sign)]
    at = random.choice(places) + 4 + random.randrange(26)
    size = random.choice((1, 2, 4))
    value = random.choice(bytewise.NUMBERS) & (2 ** (8 * size) - 1)
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def _all(data: bytes, sign: bytes) -> list[int]:
    found, at = [], data.find(sign)
    while at >= 0:
        found.append(at)
        at = data.find(sign, at + 1)
    return found


def changed_checkpoint(data: bytes, other: bytes, random: Random) -> bytes:
    """A checkpoint with another header, another pickle or other tensors, and right checksums around them."""
    kind = random.random()
    if kind < 0.25:
        return changed_zip(data, other, random)
    members = _members(data)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packing:
        for info, content in members:
            if info.filename.endswith("/data.pkl"):
                content = _header(content, random) if kind < 0.75 else changed_pickle(content, content, random)
            packing.writestr(info, content)
    return out.getvalue()


def _header(content: bytes, random: Random) -> bytes:
    """The JSON text in the pickle of a checkpoint, changed; the pickle states its length."""
    start = content.index(b'{"kind"')
    (length,) = struct.unpack("<I", content[start - 4 : start])
    text = texts.changed_value(json.loads(content[start : start + length]), random).encode()
    return content[: start - 4] + struct.pack("<I", len(text)) + text + content[start + length :]


def changed_cache(data: bytes, other: bytes, random: Random) -> bytes:
    """A cache: its HDF5 part alone, changed; or its index, changed with the right checksum; or any bytes."""
    kind = random.random()
    end, length, _, _ = FOOTER.unpack(data[-FOOTER.size :])
    part, text = data[:end], data[end : end + length]
    if kind < 0.15:
        return bytewise.changed(part, other, random)
    if kind < 0.3:
        return bytewise.changed(data, other, random)
    if kind < 0.85:
        text = texts.changed_value(json.loads(text), random).encode()
    else:
        text = bytewise.changed(text, other, random)
    numbers = [end, len(text), zlib.crc32(text)]
    if random.random() < 0.1:
        numbers[random.randrange(2)] = random.choice(bytewise.NUMBERS)
    return part + text + FOOTER.pack(*numbers, MAGIC)


def changed_png(data: bytes, other: bytes, random: Random) -> bytes:
    """A PNG with a chunk changed, doubled, moved or removed, with right checksums; other files by their bytes."""
    if not data.startswith(b"\x89PNG") or random.random() < 0.4:
        return bytewise.changed(data, other, random)
    chunks, at = [], 8
    while at + 8 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    number = random.randrange(len(chunks))
    name, content = chunks[number]
    kind = random.random()
    if kind < 0.3:
        sides = [random.choice((0, 1, 7, 50_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)]
        chunks[0] = (b"IHDR", struct.pack(">II", *sides) + chunks[0][1][8:])
    elif kind < 0.6:
        chunks[number] = (name, bytewise.changed(content, other, random))
    elif kind < 0.7:
        chunks.insert(random.randrange(len(chunks) + 1), (name, content))
    elif kind < 0.8:
        del chunks[number]
    else:
        bomb = zlib.compress(bytes(2**26), 9)
        extra = random.choice(
            ((b"zTXt", b"a\0\0" + bomb), (b"iCCP", b"a\0\0" + bomb), (b"IDAT", bomb), (b"tRNS", b"x" * 300))
        )
        chunks.insert(random.randrange(1, len(chunks) + 1), extra)
    body = b"".join(struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks)
    return data[:8] + body


def changed_tar(data: bytes, other: bytes, random: Random) -> bytes:
    """A tar, packed or not, with members of other names and kinds; or with other bytes behind its packing."""
    if random.random() < 0.3:
        return bytewise.changed(data, other, random)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive, tarfile.open(fileobj=out, mode="w") as packing:
        members = archive.getmembers()
        chosen = random.randrange(len(members))
        for number, member in enumerate(members):
            stream = archive.extractfile(member)
            content = b"" if stream is None else stream.read()
            if number == chosen:
                kind = random.random()
                if kind < 0.4:
                    member.name = random.choice(NAMES)
                elif kind < 0.8:
                    member.type = random.choice(
                        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S", b"?")
                    )
                    member.linkname = random.choice(("/etc/passwd", "../canary", "x"))
                else:
                    content = bytewise.changed(content, other, random)
                    member.size = len(content)
            packing.addfile(member, io.BytesIO(content) if member.isreg() else None)
    plain = out.getvalue()
    if random.random() < 0.3:
        plain = bytewise.changed(plain, other, random)
    return zlib.compress(plain, wbits=31) if data[:2] == b"\x1f\x8b" else plain


def pickled(value: object, protocol: int) -> bytes:
    """A pickle of plain values."""
    return pickle.dumps(value, protocol=protocol)
