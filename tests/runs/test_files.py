"""Files are complete or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tnas_cli.errors import TnasError
from tnas_cli.runs.files import cannot_write, replacing, write_text


def test_a_new_file_in_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "text.txt"
    write_text(path, "grüße\n")
    assert path.read_bytes() == "grüße\n".encode()
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    write_text(path, "old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == path.parent
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "text.txt"
    write_text(path, "old")
    with pytest.raises(error), replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_it_is_flushed_before_and_after_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append("flush"), fsync(descriptor))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("rename"), replace(self, to))[1])
    write_text(tmp_path / "text.txt", "x")
    assert order == ["flush", "rename", "flush"]  # the file, then the folder with its name


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "text.txt"
    with pytest.raises(TnasError) as caught:
        write_text(path, "x")
    assert str(path) in caught.value.message and caught.value.exit_code == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes to read-only folders")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(TnasError, match="cannot write"):
            write_text(tmp_path / "text.txt", "x")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    with pytest.raises(TnasError, match="no space left") as caught, replacing(path) as partial:
        partial.write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x")
    assert str(path) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_the_error_says_what_the_system_said() -> None:
    error = cannot_write(Path("x"), OSError(errno.EROFS, os.strerror(errno.EROFS)))
    assert os.strerror(errno.EROFS) in error.message
