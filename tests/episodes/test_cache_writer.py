"""Writing a cache: classes in pieces, the lock, what is counted meanwhile, and the space it takes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.episodes.small_data import attributes, class_tree, random_classes, truncated
from tnas_cli.episodes import hdf5_writing, registry
from tnas_cli.episodes.account import Account
from tnas_cli.episodes.cache import ClassImages, open_cache, write_cache
from tnas_cli.errors import DataError, TnasError

COUNTS = {"train": [7, 2, 4], "val": [1], "test": [2, 5]}
NAMES = [f"c{k}" for k in range(6)]


def pieces(step: int) -> Iterator[ClassImages]:
    """The classes in pieces of `step` images."""
    for item in random_classes(COUNTS):
        for first in range(0, len(item.images), step):
            yield ClassImages(item.name, item.split, item.images[first : first + step])


@pytest.mark.parametrize("step", [1, 2, 3])
def test_pieces_make_the_same_file(tmp_path: Path, step: int) -> None:
    write_cache(tmp_path / "whole.h5", random_classes(COUNTS), attributes(mean=None, std=None))
    write_cache(tmp_path / "pieces.h5", pieces(step), attributes(mean=None, std=None))
    assert open_cache(tmp_path / "whole.h5").fingerprint == open_cache(tmp_path / "pieces.h5").fingerprint
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "pieces.h5") as pieced:
        for name in ("images", "class_offset", "class_name", "class_split"):
            np.testing.assert_array_equal(whole[name][:], pieced[name][:])
        for name in ("mean", "std"):
            np.testing.assert_array_equal(whole.attrs[name], pieced.attrs[name])


def test_one_name_in_several_splits_is_several_classes(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    classes = [ClassImages("cat", split, pixels) for split in ("train", "train", "val", "test", "test")]
    write_cache(tmp_path / "toy.h5", classes, attributes())
    cache = open_cache(tmp_path / "toy.h5")
    assert list(zip(cache.class_names, cache.class_splits, np.diff(cache.class_offset).tolist(), strict=True)) == [
        ("cat", "train", 4),
        ("cat", "val", 2),
        ("cat", "test", 4),
    ]
    assert cache.duplicates == 10


@pytest.mark.parametrize("stop", [None, KeyboardInterrupt(), DataError("bad", hint="none"), RuntimeError("a bug")])
def test_the_lock_is_there_while_it_is_written_and_gone_afterwards(tmp_path: Path, stop: BaseException | None) -> None:
    path = tmp_path / "toy.h5"

    def classes() -> Iterator[ClassImages]:
        assert (tmp_path / "toy.h5.lock").is_file()
        yield from random_classes(COUNTS)
        if stop is not None:
            raise stop

    if stop is None:
        write_cache(path, classes(), attributes())
    else:
        with pytest.raises(type(stop)):
            write_cache(path, classes(), attributes())
    assert [left.name for left in tmp_path.iterdir()] == ([] if stop else ["toy.h5"])


def test_ctrl_c_while_the_hdf5_library_writes_or_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library calls Python for it, and an exception there once came out as an AttributeError."""
    monkeypatch.setattr(hdf5_writing, "_Disk", Interrupting)
    Interrupting.calls = Interrupting.at = 0
    write_cache(tmp_path / "whole.h5", random_classes(COUNTS), attributes())
    calls = Interrupting.calls
    assert calls > 10
    for Interrupting.at in range(1, calls + 1):
        Interrupting.calls = 0
        with pytest.raises(KeyboardInterrupt):
            write_cache(tmp_path / "toy.h5", random_classes(COUNTS), attributes())
        assert [left.name for left in tmp_path.iterdir()] == ["whole.h5"]


class Interrupting(hdf5_writing._Disk):
    """Gets a Ctrl-C in the `at`-th call that the library makes."""

    calls = at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        Interrupting.calls += 1
        if Interrupting.calls == Interrupting.at:
            os.kill(os.getpid(), signal.SIGINT)
        return super().seek(offset, whence)


def test_those_who_wait_go_one_after_the_other_though_the_lock_file_goes(tmp_path: Path) -> None:
    inside, most, failed = [0], [0], []

    def classes() -> Iterator[ClassImages]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.03)
        inside[0] -= 1
        raise DataError("it fails, so that each must try", hint="none")
        yield

    def write() -> None:
        try:
            write_cache(tmp_path / "toy.h5", classes(), attributes())
        except DataError as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(failed), most) == (5, [1])
    assert not list(tmp_path.glob("*.lock"))


def test_duplicates_and_what_was_skipped_are_kept(tmp_path: Path) -> None:
    source = class_tree(tmp_path / "own", NAMES)  # no two alike
    assert registry.prepare("folder", source=source, root=tmp_path, own_name="all").duplicates == 0
    for name in NAMES:
        (source / name / "same.png").write_bytes((source / "c0" / "0.png").read_bytes())
        truncated(source / name / "1.png")
    with pytest.raises(DataError, match=r"c0/1\.png is not an image"):
        registry.prepare("folder", source=source, root=tmp_path, own_name="bad")
    cache = registry.prepare("folder", source=source, root=tmp_path, own_name="bad", skip_bad=True)
    assert cache.duplicates == len(NAMES)  # that of c0 is there once
    noted = {one.why: one for one in cache.account.noted}
    assert set(noted["images that cannot be read"].names) == {str(source / name / "1.png") for name in NAMES}
    assert noted["images that are in their class already, left out"].names == (str(source / "c0" / "same.png"),)
    images = sum(split["images"] for split in cache.summary().values())
    assert images == cache.account.read == 2 * len(NAMES) - 1
    kept = registry.prepare(
        "folder", source=source, root=tmp_path, own_name="kept", skip_bad=True, keep_duplicates=True
    )
    assert kept.duplicates == len(NAMES) + 1
    assert kept.account.read == 2 * len(NAMES)


def test_a_long_account_fits_into_the_file(tmp_path: Path) -> None:
    account = Account()
    for number in range(200):
        for why in range(30):
            account.left_out(f"files for reason {why}", f"/a/rather/long/path/to/an/image/é-{why}-{number:06d}.png")
    write_cache(tmp_path / "toy.h5", random_classes(COUNTS), attributes(account=account))
    found = open_cache(tmp_path / "toy.h5").account
    assert found == account.record()
    assert found.count("left out") == 6000


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "enough"), [(2 * 12 * 20 * 20 * 3, True), (2 * 12 * 20 * 20 * 3 - 1, False)])
def test_too_little_space_is_refused_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, enough: bool
) -> None:
    source = class_tree(tmp_path / "own", NAMES)
    decoded: list[object] = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(10**12, 0, free))
    monkeypatch.setattr("tnas_cli.episodes.catalogue.read_image", lambda *given: decoded.append(given) or 1 / 0)
    root = tmp_path / "not" / "there"
    if enough:
        with pytest.raises(ZeroDivisionError):
            registry.prepare("folder", source=source, root=root, channels=3, size=20)
        assert decoded
        return
    with pytest.raises(TnasError, match=r"own-classes-20\.h5 needs about 0\.0 GB while it is written") as caught:
        registry.prepare("folder", source=source, root=root, channels=3, size=20)
    assert "--size" in caught.value.hint and caught.value.exit_code == 1
    assert not decoded and not root.exists()
