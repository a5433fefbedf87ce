"""The image cache: it is read as it was written, it is complete or absent, and one process at a time writes it."""

from __future__ import annotations

import errno
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.episodes.small_data import attributes, random_classes, small_cache, truncated
from tnas_cli.episodes import cache_writer
from tnas_cli.episodes.cache import ClassImages, cache_path, cache_root, open_cache, write_cache
from tnas_cli.errors import DataError, SettingsError, TnasError

COUNTS = {"train": [3, 2, 4], "val": [1], "test": [2, 5]}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    classes = random_classes(COUNTS, channels=3)
    cache = small_cache(tmp_path / "a" / "toy.h5", COUNTS, channels=3)
    assert cache.class_names == ["train0", "train1", "train2", "val0", "test0", "test1"]
    assert cache.class_offset.tolist() == [0, 3, 5, 9, 10, 12, 17]
    assert (cache.size, cache.channels, cache.dataset, cache.protocol) == (4, 3, "toy", "plain")
    assert cache.classes("train+val").tolist() == [0, 1, 2, 3]
    assert cache.classes("test+val").tolist() == [3, 4, 5]
    everything = np.concatenate([item.images for item in classes])
    indices = np.array([[16, 0], [9, 3]])
    np.testing.assert_array_equal(cache.load(indices), everything[indices])
    assert cache.summary()["train"] == {"classes": 3, "images": 9}


def test_images_are_one_contiguous_table(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    with h5py.File(cache.path) as file:
        images = file["images"]
        assert images.chunks is None
        start, raw = images.id.get_offset(), images[:].tobytes()
    assert cache.path.read_bytes()[start : start + len(raw)] == raw


def test_blocks_smaller_than_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small_cache(tmp_path / "whole.h5", COUNTS)
    monkeypatch.setattr(cache_writer, "BLOCK", 50)
    blocks = small_cache(tmp_path / "blocks.h5", COUNTS)
    np.testing.assert_array_equal(blocks.load(np.arange(17)), whole.load(np.arange(17)))


def test_mean_and_std_are_measured_on_training_images_alone(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS, channels=3, mean=None, std=None)
    train = np.concatenate([c.images for c in random_classes(COUNTS, channels=3) if c.split == "train"]) / 255
    np.testing.assert_allclose(cache.mean, train.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(cache.std, train.std(axis=(0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("change", ["pixel", "name", "split"])
def test_fingerprint_follows_the_content(tmp_path: Path, change: str) -> None:
    before = small_cache(tmp_path / "a.h5", COUNTS)
    again = small_cache(tmp_path / "b.h5", COUNTS, source="elsewhere")
    assert before.fingerprint == again.fingerprint
    classes = random_classes(COUNTS)
    first = classes[0]
    if change == "pixel":
        first.images[0, 0, 0, 0] ^= 1
    changed = ClassImages(
        "other" if change == "name" else first.name, "val" if change == "split" else "train", first.images
    )
    write_cache(tmp_path / "c.h5", [changed, *classes[1:]], attributes())
    assert open_cache(tmp_path / "c.h5").fingerprint != before.fingerprint


def test_opened_once_per_process_and_anew_after_a_change(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    assert open_cache(cache.path) is cache
    write_cache(cache.path, random_classes(COUNTS | {"val": [6]}), attributes(), replace=True)
    fresh = open_cache(cache.path)
    assert fresh is not cache
    assert fresh.summary()["val"]["images"] == 6
    assert cache.load(np.arange(17)).shape == (17, 4, 4, 1)  # the old file stays readable where it is open


def test_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'dev'"):
        small_cache(tmp_path / "toy.h5", COUNTS).classes("train+dev")


def _foreign(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros(3)


def _newer(path: Path) -> None:
    small_cache(path, COUNTS)
    with h5py.File(path, "a") as file:
        file.attrs["schema"] = 99


def _chunked(path: Path) -> None:
    small_cache(path, COUNTS)
    with h5py.File(path, "a") as file:
        images = file["images"][:]
        del file["images"]
        file.create_dataset("images", data=images, chunks=(1, 4, 4, 1))


def _incomplete(path: Path) -> None:
    small_cache(path, COUNTS)
    with h5py.File(path, "a") as file:
        del file["class_name"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no image cache"),
        (lambda path: path.write_text("not HDF5"), "no HDF5 file"),
        (lambda path: (small_cache(path, COUNTS), truncated(path)), "cannot be read"),
        (lambda path: path.mkdir(), "not a file"),
        (_foreign, "not an image cache of tnas"),
        (_newer, "schema 99"),
        (_chunked, "contiguous"),
        (_incomplete, "cannot be read"),
    ],
    ids=["missing", "text", "truncated", "folder", "foreign", "newer", "chunked", "incomplete"],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "toy.h5"
    make(path)  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as caught:
        open_cache(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("stop", [KeyboardInterrupt, DataError("bad image", hint="replace it")])
def test_interrupted_preparation_leaves_nothing(tmp_path: Path, stop: BaseException | type[BaseException]) -> None:
    def classes() -> Iterator[ClassImages]:
        yield from random_classes(COUNTS)
        raise stop

    path = tmp_path / "toy.h5"
    with pytest.raises((KeyboardInterrupt, DataError)):
        write_cache(path, classes(), attributes())
    assert list(tmp_path.iterdir()) == []  # no cache, no part of one, no lock
    write_cache(path, random_classes(COUNTS), attributes())  # and the lock is free
    assert open_cache(path).summary()["train"]["classes"] == 3


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".toy.h5.0123abcd.part").write_bytes(b"half")
    small_cache(tmp_path / "toy.h5", COUNTS)
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*.part"))


def test_a_failed_replacement_keeps_the_old_cache(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    before = hashlib.sha256(cache.path.read_bytes()).digest()
    with pytest.raises(DataError, match="no class is left for split 'val'"):
        write_cache(cache.path, random_classes({"train": [1], "test": [1]}), attributes(), replace=True)
    assert hashlib.sha256(cache.path.read_bytes()).digest() == before


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 5, 5, 1), np.uint8), np.zeros((0, 4, 4, 1), np.uint8), np.zeros((2, 4, 4, 1), np.float32)],
    ids=["other size", "empty", "float"],
)
def test_classes_that_do_not_fit(tmp_path: Path, images: np.ndarray) -> None:
    classes = [*random_classes(COUNTS), ClassImages("odd", "train", images)]
    with pytest.raises(DataError, match="'odd'"):
        write_cache(tmp_path / "toy.h5", classes, attributes())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TnasError, match="cannot write") as caught:
        write_cache(tmp_path / "file" / "toy.h5", random_classes(COUNTS), attributes())
    assert caught.value.exit_code == 1


def test_a_full_disk(tmp_path: Path) -> None:
    def classes() -> Iterator[ClassImages]:
        yield from random_classes(COUNTS)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TnasError, match="no space left"):
        write_cache(tmp_path / "toy.h5", classes(), attributes())
    assert not list(tmp_path.glob(".*.part"))


PREPARE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from tests.episodes.small_data import attributes, random_classes
from tnas_cli.episodes.cache import open_cache, write_cache
folder = Path(sys.argv[1])
def classes():
    with (folder / "log").open("a") as log:
        log.write("prepared\\n")
    # Long enough for the other process to arrive: it starts no sooner than both are ready.
    time.sleep(1.0)
    yield from random_classes({counts!r})
(folder / f"ready{{sys.argv[2]}}").touch()
while len(list(folder.glob("ready*"))) < 2:
    time.sleep(0.01)
write_cache(folder / "toy.h5", classes(), attributes(), replace=True, listener=lambda event: print(event.text))
print(open_cache(folder / "toy.h5").fingerprint)
"""


@pytest.mark.slow
def test_of_two_processes_the_second_waits_and_uses_the_firsts_result(tmp_path: Path) -> None:
    script = PREPARE.format(here=str(Path(__file__).parents[2]), counts=COUNTS)
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    outputs = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "log").read_text() == "prepared\n"
    assert outputs[0][-1] == outputs[1][-1]
    assert sum("another process is preparing" in line for lines in outputs for line in lines) == 1
    assert not list(tmp_path.glob("*.lock"))


def test_where_caches_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TNAS_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    assert cache_path("omniglot", "random", 28) == tmp_path / "omniglot-random-28.h5"
    monkeypatch.delenv("TNAS_CACHE")
    assert cache_root().name == "tnas"
