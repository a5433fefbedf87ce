"""Folders and archives in one view: what is read, what is refused, and that nothing is ever written."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.episodes.small_data import truncated
from tnas_cli.episodes import archives, places, unfolding
from tnas_cli.episodes.account import Account
from tnas_cli.episodes.places import Folder, open_place
from tnas_cli.errors import DataError

TREE = {"top/a/1.png": b"one", "top/a/2.png": b"two" * 1000, "top/b/inner/3.png": b"", "top/list.csv": b"x"}
HIDDEN = {
    "__MACOSX/top/a/3.png": b"x",
    "__MACOSX/top/a/._1.png": b"x",
    "top/.DS_Store": b"x",
    "top/.git/config": b"x",
    "top/a/.hidden.png": b"x",
}
ENDINGS = ("zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")


def archive(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of the kind that its ending says, with members of the given names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packing:
            for name, data in members.items():
                packing.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return path
    kind = {"tar": "", "tgz": "gz"}.get(path.suffix[1:], path.suffix[1:])
    with tarfile.open(path, f"w:{kind}") as packing:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packing.addfile(member, io.BytesIO(data))
    return path


def everything(folder: Folder) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    found = {name: file.read() for name, file in folder.files().items()}
    for name, inner in folder.folders().items():
        found |= {f"{name}/{path}": data for path, data in everything(inner).items()}
    return found


def entries(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_a_folder_and_its_archives_hold_the_same(tmp_path: Path, ending: str) -> None:
    if ending:
        source = archive(tmp_path / f"all.{ending}", TREE | HIDDEN)
    else:
        source = tmp_path / "top"
        for name, data in (TREE | HIDDEN).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    before = entries(tmp_path)
    place = open_place(source, "")
    assert place.name == "top"
    assert everything(place) == {name.removeprefix("top/"): data for name, data in TREE.items()}
    assert list(place.folders()) == ["a", "b"] and list(place.folders()["a"].files()) == ["1.png", "2.png"]
    inner = place.find("b", "inner")
    assert inner is not None and inner.files()["3.png"].label == f"{place.label}/b/inner/3.png"
    assert place.find("b", "nowhere") is None and place.find("c", "inner") is None
    assert entries(tmp_path) == before


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_in_a_folder_stands_for_a_folder(tmp_path: Path, ending: str) -> None:
    archive(tmp_path / f"train.{ending}", {"train/a/1.png": b"packed", "train/b/1.png": b""})
    place = open_place(tmp_path, "")
    assert everything(place)["train/a/1.png"] == b"packed"
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "1.png").write_bytes(b"unpacked")
    place = open_place(tmp_path, "")
    assert everything(place)["train/a/1.png"] == b"unpacked"


def test_several_folders_on_top_stay(tmp_path: Path) -> None:
    place = open_place(archive(tmp_path / "all.zip", {"a/1.png": b"", "b/1.png": b""}), "")
    assert (place.name, list(place.folders())) == ("all", ["a", "b"])


def test_only_what_is_asked_for_is_read_from_a_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = open_place(archive(tmp_path / "all.tar", {"a": bytes(range(256)) * 2**16, "b": b"end"}), "")
    monkeypatch.setattr(places, "LARGEST_FILE", 1)
    tracemalloc.start()
    with place.files()["a"].open() as stream:
        assert stream.read(3) == b"\x00\x01\x02"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert place.files()["b"].read() == b"end"


NAMES = ("../x", "a/../../x", "/x", "/etc/passwd", "..", "a\\x", "C:\\x", "C:/x")


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("name", NAMES)
def test_members_that_point_outside_are_refused(tmp_path: Path, ending: str, name: str) -> None:
    path = archive(tmp_path / f"bad.{ending}", {"good/1.png": b"", name: b"evil"})
    before = entries(tmp_path)
    with pytest.raises(DataError, match="points outside of it") as caught:
        open_place(path, "")
    assert repr(name) in caught.value.message and str(path) in caught.value.message
    assert entries(tmp_path) == before


KINDS = {
    "symbolic link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "pipe": tarfile.FIFOTYPE,
    "sparse file": tarfile.GNUTYPE_SPARSE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as packing:
        member = tarfile.TarInfo("a/1.png")
        member.type, member.linkname = KINDS[kind], "/etc/passwd"
        packing.addfile(member)
    with pytest.raises(DataError, match=r"holds a link, a device or a sparse file: 'a/1\.png'"):
        open_place(path, "")


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666], ids=["link", "device", "pipe"])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packing:
        member = zipfile.ZipInfo("a/1.png")
        member.external_attr = mode << 16
        packing.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match=r"holds a link, a device or a sparse file: 'a/1\.png'"):
        open_place(tmp_path / "bad.zip", "")


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, ending: str) -> None:
    zeros = {"a/1.png": bytes(2**20), "b/1.png": b"fine"}
    if ending:
        place = open_place(archive(tmp_path / f"bomb.{ending}", zeros), "")
    else:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "1.png").write_bytes(zeros["a/1.png"])
        place = open_place(tmp_path, "")
    file = place.folders()["a"].files()["1.png"]
    assert len(file.read(2**20)) == 2**20
    with pytest.raises(DataError, match=r"a/1\.png is larger than"):
        file.read(2**20 - 1)


@pytest.mark.parametrize("ending", ["tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_an_archive_that_unfolds_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = archive(tmp_path / f"bomb.{ending}", {"a/1.png": bytes(4 * 2**20)})
    monkeypatch.setattr(unfolding, "UNFOLDED", 2 * 2**20)
    before = entries(tmp_path)
    with pytest.raises(DataError, match="unpacks to more than"):
        open_place(path, "")
    assert entries(tmp_path) == before


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz"])
def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    path = archive(tmp_path / f"many.{ending}", {f"a/{k}.png": b"" for k in range(6)})
    monkeypatch.setattr(archives, "MEMBERS", 6)
    assert len(open_place(path, "").files()) == 6
    monkeypatch.setattr(archives, "MEMBERS", 5)
    # Before zipfile makes an object of each, and before each header of a tar is read as a whole.
    monkeypatch.setattr(archives.zipfile, "ZipFile", None)
    monkeypatch.setattr(archives.tar, "entries", None)
    with pytest.raises(DataError, match="more than 5 members"):
        open_place(path, "")


def noise(count: int) -> dict[str, bytes]:
    """Members that hardly compress."""
    return {f"a/{k}.png": bytes((k * i * 2654435761 >> 7) % 251 for i in range(3000)) for k in range(1, count + 1)}


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("ending", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_truncated_archive_is_refused(tmp_path: Path, ending: str, keep: float) -> None:
    path = truncated(archive(tmp_path / f"cut.{ending}", noise(5)), keep)
    with pytest.raises(DataError, match="cannot be read as an archive") as caught:
        open_place(path, "")
    assert str(path) in caught.value.message and caught.value.hint == archives.DAMAGED


def test_a_tar_truncated_within_a_file_is_refused(tmp_path: Path) -> None:
    path = truncated(archive(tmp_path / "cut.tar", noise(5)), 0.25)
    with pytest.raises(DataError, match="cannot be read as an archive"):
        open_place(path, "")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"\x1f\x8bno gzip", bytes(100)], ids=["empty", "text", "gzip", "zeros"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, ending: str, content: bytes) -> None:
    (tmp_path / f"text.{ending}").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as an archive"):
        open_place(tmp_path / f"text.{ending}", "")


def _unknown_compression(data: bytearray) -> None:
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + method] = 99


def _wrong_content(data: bytearray) -> None:
    start = data.index(b"1.png") + 5
    data[start : start + 40] = bytes(40)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_unknown_compression, "compression"), (_wrong_content, "Bad CRC-32|invalid")],
)
def test_a_zip_member_that_cannot_be_read_is_named(
    tmp_path: Path, spoil: Callable[[bytearray], None], words: str
) -> None:
    path = archive(tmp_path / "odd.zip", noise(1))
    data = bytearray(path.read_bytes())
    spoil(data)
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"odd\.zip/a/1\.png cannot be read: .*({words})"):
        open_place(path, "").files()["1.png"].read()


def test_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    for name, words in (("nowhere", "does not exist"), ("text.txt", "is neither a folder nor a .zip")):
        with pytest.raises(DataError, match=words) as caught:
            open_place(tmp_path / name, "what is expected")
        assert caught.value.hint == "what is expected"
    lost = open_place(tmp_path, "").files()["text.txt"]
    (tmp_path / "text.txt").unlink()
    with pytest.raises(DataError, match=r"text\.txt cannot be read: No such file"):
        lost.read()


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes as a name")
def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """Of a file: it is left out and named. Of a folder: it would be a class without a name, and is refused."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"one")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/caf\xe9.png")).write_bytes(b"two")
    account = Account()
    found = places.DiskFolder(tmp_path, account)
    assert everything(found) == {"a/1.png": b"one"}
    (noted,) = account.record().noted
    assert (noted.why, noted.count, noted.names) == (places.NOT_UTF_8, 1, (f"{tmp_path}/a/caf?.png",))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff")).mkdir()
    with pytest.raises(DataError, match="not a UTF-8 name"):
        places.DiskFolder(tmp_path, Account()).folders()
