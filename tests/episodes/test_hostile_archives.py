"""Archives that are made to harm: each is refused with its member's name, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tnas_cli.episodes import tar, unfolding
from tnas_cli.episodes.formats import is_image_by_content
from tnas_cli.episodes.places import Folder, open_place
from tnas_cli.episodes.regions import region_of
from tnas_cli.errors import DataError


def read_all(folder: Folder) -> None:
    """Read what is there, archives in archives too."""
    for file in folder.files().values():
        file.read()
    for inner in folder.folders().values():
        read_all(inner)


def zipped(path: Path, members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packing:
        warnings.simplefilter("ignore")  # a name twice
        for name, data in members.items():
            packing.writestr(name.removesuffix("#"), data)
    path.write_bytes(file.getvalue())
    return file.getvalue()


def tarred(path: Path, members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form, errors="surrogateescape") as packing:
        for name, data in members.items():
            member = tarfile.TarInfo(name.removesuffix("#"))
            member.size = len(data)
            packing.addfile(member, io.BytesIO(data))
    return path


def changed(path: Path, at: int, data: bytes, *, sum_again: bool = True) -> Path:
    """A tar whose first header has other bytes, and a checksum that fits them."""
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    if sum_again:
        content[148:156] = b" " * 8
        content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)
    return path


def overlapping(path: Path) -> None:
    """Two members of the list point to the same bytes."""
    data = bytearray(zipped(path, {"a/1.png": b"x" * 100, "a/2.png": b"x" * 100}))
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    data = bytearray(zipped(path, {"a/1.png": b"secret"}))
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + flags] |= 1
    path.write_bytes(data)


def wrong_sum(path: Path) -> None:
    data = bytearray(zipped(path, {"a/1.png": bytes(range(256))}))
    for mark, crc in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        data[data.index(mark) + crc] ^= 1
    path.write_bytes(data)


def not_utf8(path: Path) -> None:
    data = zipped(path, {"a/é.png": b"x"}).replace("é".encode(), b"\xff\xff")
    path.write_bytes(data)


def nested(path: Path) -> None:
    zipped(path.with_name("inner.zip"), {"bomb.png": bytes(80 * 2**20)})
    zipped(path, {"a/inner.zip": path.with_name("inner.zip").read_bytes(), "a/1.png": b""})
    path.with_name("inner.zip").unlink()


def index_that_lies(path: Path) -> None:
    """A list of members that is said to be larger than the file."""
    data = bytearray(zipped(path, {"a/1.png": b"x"}))
    data[-10:-6] = struct.pack("<L", 2**32 - 2)
    path.write_bytes(data)


LONG = "n" * 256
HOSTILE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "twice in a zip": ("x.zip", lambda p: zipped(p, {"a/1.png": b"", "a/1.png#": b"x"}), r"/a holds '1\.png' twice"),
    "twice in a tar": ("x.tar", lambda p: tarred(p, {"a/1.png": b"", "a/1.png#": b"x"}), r"/a holds '1\.png' twice"),
    "in one another's bytes": ("x.zip", overlapping, r"holds 'a/2\.png' in the bytes of another member"),
    "encrypted": ("x.zip", encrypted, r"is encrypted \('a/1\.png'\)"),
    "wrong checksum": ("x.zip", wrong_sum, r"a/1\.png cannot be read: Bad CRC-32"),
    "a long name in a zip": ("x.zip", lambda p: zipped(p, {f"a/{LONG}": b""}), "name that is longer .*'a/nnn"),
    "a long name in a tar": ("x.tar", lambda p: tarred(p, {f"a/{LONG}": b""}), "name that is longer .*'a/nnn"),
    "a long pax name": (
        "x.tar",
        lambda p: tarred(p, {f"a/{LONG}": b""}, tarfile.PAX_FORMAT),
        "name that is longer .*'a/nnn",
    ),
    "a thousand folders": ("x.zip", lambda p: zipped(p, {"a/" * 1000 + "1.png": b""}), "name that is longer"),
    "a name that is not UTF-8 in a zip": ("x.zip", not_utf8, "cannot be read as an archive: 'utf-8' codec"),
    "a name that is not UTF-8 in a tar": (
        "x.tar",
        lambda p: tarred(p, {"a/\udcff.png": b""}),
        r"holds 'a/\\udcff\.png', which is not a UTF-8 name",
    ),
    "a bomb in an archive in an archive": ("x.zip", nested, r"x\.zip/a/inner\.zip/bomb\.png is larger than 64 MiB"),
    "a list that lies": ("x.zip", index_that_lies, "more than 250,000 members"),
    "a size below 0": (
        "x.tar",
        lambda p: changed(tarred(p, {"a/1.png": b"x"}), 124, b"\xff" * 12),
        "cannot be read as an archive: a header states no size",
    ),
    "a size beyond the end": (
        "x.tar",
        lambda p: changed(tarred(p, {"a/1.png": b"x"}), 124, b"\x80" + b"\xff" * 11),
        r"cannot be read as an archive: it ends within 'a/1\.png'",
    ),
    "a header of another member": (
        "x.tar",
        lambda p: changed(tarred(p, {"a/1.png": b"x"}), 0, b"b", sum_again=False),
        "cannot be read as an archive: a header is damaged",
    ),
    "an endless name": (
        "x.tar",
        lambda p: changed(tarred(p, {"a/1.png": bytes(2**21)}), 156, b"L"),
        "one of its members has an endless header",
    ),
    "names without end": (
        "x.tar",
        lambda p: p.write_bytes(changed(tarred(p, {"a": b"b"}), 156, b"L").read_bytes()[:1024] * 20),
        "one of its members has an endless header",
    ),
    "many records": (
        "x.tar",
        lambda p: changed(tarred(p, {"a": b"5 a=\n" * 200}), 156, b"x"),
        "one of its members has an endless header",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_harm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file, make, words = HOSTILE[name]
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    make(tmp_path / file)
    with pytest.raises(DataError, match=words) as caught:
        read_all(open_place(tmp_path / file, "?"))
    assert str(tmp_path / file) in caught.value.message and caught.value.hint
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["tmp", file])


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_small_file_that_unpacks_to_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(unfolding, "FREE", 2**20)
    path = tmp_path / f"bomb.{ending}"
    with tarfile.open(path, f"w:{ending[4:]}") as packing:
        member = tarfile.TarInfo("a/1.png")
        member.size = 8 * 2**20
        packing.addfile(member, io.BytesIO(bytes(member.size)))
    with pytest.raises(DataError, match=r"unpacks to more than 200 times its size"):
        open_place(path, "?")


def test_an_archive_in_a_zip_that_unpacks_to_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfolding, "FREE", 2**20)
    zipped(tmp_path / "x.zip", {"a/inner.tar": bytes(8 * 2**20), "a/1.png": b""})
    with pytest.raises(DataError, match=r"x\.zip/a/inner\.tar unpacks to more than 200 times"):
        read_all(open_place(tmp_path / "x.zip", "?"))


def test_a_file_of_many_streams_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tarred(tmp_path / "x.tar", {"a/1.png": b"x" * 3000, "b/1.png": b"y"}).read_bytes()
    parts = [gzip.compress(data[at : at + 1000]) for at in range(0, len(data), 1000)]
    (tmp_path / "x.tar.gz").write_bytes(b"".join(parts) + bytes(512))
    place = open_place(tmp_path / "x.tar.gz", "?")
    assert place.folders()["a"].files()["1.png"].read() == b"x" * 3000
    monkeypatch.setattr(unfolding, "STREAMS", len(parts) - 1)
    with pytest.raises(DataError, match=r"more than .* streams"):
        open_place(tmp_path / "x.tar.gz", "?")


def test_a_pipe_called_zip_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "x.zip")
    with pytest.raises(DataError, match=r"x\.zip is a pipe, a device or a socket"):
        open_place(tmp_path / "x.zip", "?")
    assert open_place(tmp_path, "?").folders() == {}


NAMES = {"a.png": b"1", "top/" + "long" * 30 + "/b.png": b"22", "d" * 90 + "/" + "e" * 90: b"", "ä/ö.png": b"x" * 513}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_that_tarfile_lists(tmp_path: Path, form: int) -> None:
    path = tarred(tmp_path / "x.tar", NAMES, form)
    with tarfile.open(path, "a", format=form) as packing:
        folder = tarfile.TarInfo("empty")
        folder.type = tarfile.DIRTYPE
        packing.addfile(folder)
        times = tarfile.TarInfo("z.png")
        times.mtime, times.size = 1e9 + 0.5, 3  # type: ignore[assignment]
        packing.addfile(times, io.BytesIO(b"zzz"))
    region = region_of(path)
    found = [(e.name, e.kind, region.read(e.size, e.offset)) for e in tar.entries(region)]
    with tarfile.open(path) as archive:
        listed = [
            (m.name, "folder" if m.isdir() else "file", b"" if m.isdir() else archive.extractfile(m).read())  # type: ignore[union-attr]
            for m in archive
        ]
    assert [(name.rstrip("/"), *rest) for name, *rest in found] == listed
    assert len(found) == len(NAMES) + 2


def test_a_sparse_file_of_pax_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as packing:
        member = tarfile.TarInfo("a/1.png")
        member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "a/1.png"}
        packing.addfile(member)
    with pytest.raises(DataError, match="holds a link, a device or a sparse file"):
        open_place(tmp_path / "x.tar", "?")


def test_a_member_whose_own_name_is_not_the_listed_one(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "a.zip", {"a/1.png": b"x", "a/2": b"y"}))
    data[data.rindex(b"a/2", 0, data.index(b"PK\1\2"))] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    file = open_place(tmp_path / "a.zip", "").files()["2"]
    assert not is_image_by_content(file)
    with pytest.raises(DataError, match=r"a/2 cannot be read"):
        file.head(4)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_counted_as_they_are_listed(tmp_path: Path, form: int) -> None:
    long = "" if form == tarfile.USTAR_FORMAT else "/" + "x" * 120
    path = tarred(tmp_path / "a.tar", {f"a{long}/{n}.png": bytes(n * 200) for n in range(7)}, form)
    region = region_of(path)
    assert [tar.count(region, most) for most in (3, 7, 100)] == [3, 7, 7] and len(list(tar.entries(region))) == 7


def test_the_count_of_members_ends_at_what_is_no_member(tmp_path: Path) -> None:
    """It is the listing that says what is wrong."""
    path = tarred(tmp_path / "a.tar", {"a/1.png": b"", "a/2.png": b"x" * 600})
    assert tar.count(region_of(changed(path, 124, b"-1         \0")), 9) == 0
    path = tarred(tmp_path / "b.tar", {"a/1.png": b""})
    header = bytearray(path.read_bytes()[:512])
    header[156:157] = tar.LONG_NAME
    path.write_bytes(bytes(header) * 1000)
    assert tar.count(region_of(path), 9) == 0
    packing = tarfile.TarInfo("a/1.png")
    packing.pax_headers = {"size": "1024"}
    path.write_bytes(packing.tobuf(tarfile.PAX_FORMAT) + bytes(2048))
    assert tar.count(region_of(path), 9) == 0
    assert [entry.size for entry in tar.entries(region_of(path))] == [1024]
