"""An HDF5 file of anybody's: a child process reads it, and whatever it does to the library is an error with a hint."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tnas_cli.episodes.unchecked_hdf5 import unchecked_hdf5
from tnas_cli.errors import DataError


def test_what_h5py_wrote_is_read(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.h5", np.arange(600, dtype=np.uint8).reshape(10, 5, 4, 3)
    blobs = [bytes(range(n)) for n in (3, 0, 7)]
    with h5py.File(path, "w", userblock_size=512) as file:
        file["datasets/cat"] = pixels
        file.create_dataset("datasets/dog", data=pixels, chunks=(2, 5, 4, 3), compression="gzip")
        rows = file.create_dataset("rows", (3,), dtype=h5py.vlen_dtype(np.uint8))
        for number, blob in enumerate(blobs):
            rows[number] = np.frombuffer(blob, np.uint8)
        file.create_dataset("names", data=["a", "ü"], dtype=h5py.string_dtype())
        file.attrs.update(text="x", number=3, row=np.array([0.5, 2]))
        file["datasets/itself"] = file["datasets"]  # a circle
    with unchecked_hdf5(path) as file:
        assert set(file.tables) == {"/datasets/cat", "/datasets/dog", "/rows", "/names"}
        assert file.attributes == {"text": "x", "number": 3, "row": [0.5, 2]}
        for name in ("/datasets/cat", "/datasets/dog"):
            np.testing.assert_array_equal(file.numbers(name), pixels)
            np.testing.assert_array_equal(file.numbers(name, 3, 2), pixels[3:5])
        assert file.rows("/rows", 0, 3) == blobs and file.rows("/rows", 1, 1) == [b""]
        assert file.texts("/names") == ["a", "ü"]
        offset = file.tables["/datasets/cat"].offset
        assert offset is not None and path.read_bytes()[offset : offset + 600] == pixels.tobytes()
        with pytest.raises(DataError, match="'/none'"):
            file.numbers("/none")


def _packed_zeros(pieces: int) -> bytes:
    """A gzip stream of `pieces` times 16 MB of zeros, made at once: blocks that depend on nothing before them."""
    packer = zlib.compressobj(9)
    return packer.flush(zlib.Z_FULL_FLUSH) + (packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)) * pieces


def _inflating(path: Path) -> None:
    """A row of 100 bytes whose chunk is 4 GB long when it is unpacked."""
    with h5py.File(path, "w") as file:
        table = file.create_dataset("x", (100,), np.uint8, chunks=(2**32 - 1,), maxshape=(None,), compression="gzip")
        table.id.write_direct_chunk((0,), _packed_zeros(256))


def _inflating_lie(path: Path) -> None:
    """A chunk of 64 bytes by its declaration, whose stored bytes unpack to 4 GB."""
    with h5py.File(path, "w") as file:
        table = file.create_dataset("x", (64,), np.uint8, chunks=(64,), compression="gzip")
        table.id.write_direct_chunk((0,), _packed_zeros(256))


def _external(path: Path) -> None:
    (path.parent / "secret").write_bytes(b"secret bytes")
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (12,), np.uint8, external=[(str(path.parent / "secret"), 0, 12)])


def _virtual(path: Path) -> None:
    layout = h5py.VirtualLayout((4,), np.uint8)
    layout[:] = h5py.VirtualSource("/dev/zero", "x", (4,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)


def _linked(link: object) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["x"] = link

    return make


def _absurd(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2**60,), np.uint8, chunks=(2**20,))


def _references(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1,), dtype=h5py.ref_dtype)


def _long_row(path: Path) -> None:
    """A row of bytes that says it is 4 GB long."""
    with h5py.File(path, "w") as file:
        table = file.create_dataset("x", (1,), dtype=h5py.vlen_dtype(np.uint8))
        table[0] = np.arange(5, dtype=np.uint8)
        offset = table.id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "make",
    [
        _inflating,
        _inflating_lie,
        _external,
        _virtual,
        _linked(h5py.SoftLink("/y")),
        _linked(h5py.ExternalLink("/etc/passwd", "/")),
        _absurd,
        _references,
        _long_row,
        lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(5000)),
        lambda path: path.write_text("not HDF5"),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: None,
    ],
    ids=[
        *("bomb", "lie", "external", "virtual", "soft", "elsewhere", "absurd", "references", "long"),
        *("zeros", "text", "fifo", "folder", "device", "missing"),
    ],
)
def test_a_hostile_file_is_an_error(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "a.h5"
    make(path)
    with pytest.raises(DataError) as caught, unchecked_hdf5(path) as file:
        if file.tables["/x"].kind == "bytes":
            file.rows("/x", 0, 1)
        else:
            file.numbers("/x")
    assert str(path) in caught.value.message and caught.value.hint


def test_what_kills_the_library_is_an_error(tmp_path: Path) -> None:
    """Every byte of the structures of a small file, one after the other, is set to other values."""
    sound, path = tmp_path / "sound.h5", tmp_path / "a.h5"
    with h5py.File(sound, "w") as file:
        file["x"] = np.zeros(3)
    good = sound.read_bytes()
    for place in range(0, 800, 100):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])
        try:
            with unchecked_hdf5(path) as file:
                file.numbers("/x")
        except DataError:
            pass
