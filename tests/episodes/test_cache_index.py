"""The index behind a cache: a reader needs nothing else, damage is found, and it never outlives a change."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.episodes.small_data import small_cache
from tnas_cli.episodes import cache as cache_module
from tnas_cli.episodes.cache import ImageCache, open_cache
from tnas_cli.episodes.cache_index import FOOTER, MAGIC
from tnas_cli.errors import DataError

COUNTS = {"train": [3, 2], "val": [2], "test": [16, 17, 18, 16, 16]}


def split_file(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The HDF5 part of a cache, and its index."""
    data = path.read_bytes()
    end, length, _, magic = FOOTER.unpack(data[-FOOTER.size :])
    assert magic == MAGIC and end + length + FOOTER.size == len(data)
    return data[:end], json.loads(data[end : end + length])


def with_index(part: bytes, index: Any) -> bytes:
    """A cache with another index, whose own checksum is right."""
    text = index if isinstance(index, bytes) else json.dumps(index).encode()
    return part + text + FOOTER.pack(len(part), len(text), zlib.crc32(text), MAGIC)


def facts(cache: ImageCache) -> dict[str, Any]:
    """All that a cache says, without its path."""
    said = {name: value for name, value in vars(cache).items() if not name.startswith("_") and name != "path"}
    said["class_offset"] = cache.class_offset.tolist()
    said["images"] = cache.load(np.arange(cache.class_offset[-1])).tolist()
    table = cache.evaluation_table("5w1s15q")
    return said | {"table": None if table is None else table.tolist()}


def no_child(path: Path) -> Any:
    raise AssertionError(f"{path} was given to a child process")


def test_a_cache_without_an_index_is_read_by_a_child_process_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS, channels=3)
    whole = cache.path.read_bytes()
    (tmp_path / "old.h5").write_bytes(split_file(cache.path)[0])
    old = open_cache(tmp_path / "old.h5")
    assert facts(old) == facts(cache)
    assert old.path.read_bytes() == whole  # the index that the child found is the one that was written
    monkeypatch.setattr(cache_module, "index_of_unchecked", no_child)
    assert facts(open_cache(old.path)) == facts(cache)


def test_where_no_index_can_be_written_the_cache_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    part, _ = split_file(cache.path)
    (tmp_path / "old.h5").write_bytes(part)
    plain = Path.open

    def read_only(self: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        if "+" in mode:
            raise OSError(30, "Read-only file system")
        return plain(self, mode, *given, **named)

    monkeypatch.setattr(Path, "open", read_only)
    assert facts(open_cache(tmp_path / "old.h5")) == facts(cache)
    assert (tmp_path / "old.h5").read_bytes() == part


def test_h5py_reads_the_file_and_a_change_by_it_takes_the_index_away(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    with h5py.File(cache.path, "r") as file:
        assert file["class_name"].asstr()[:].tolist() == cache.class_names
    with h5py.File(cache.path, "r+") as file:
        file.attrs["licence"] = "other"
        file["evaluation/5w1s15q"][0, 0, 0] = 1
    assert not cache.path.read_bytes().endswith(MAGIC)
    changed = open_cache(cache.path)
    assert changed.licence == "other"
    table = changed.evaluation_table("5w1s15q")
    assert table is not None and table[0, 0, 0] == 1
    split_file(cache.path)  # it has an index again


def test_any_damage_outside_the_images_is_found(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    part, index = split_file(cache.path)
    good, path, sound = cache.path.read_bytes(), tmp_path / "damaged.h5", facts(cache)
    start = index["images"]["offset"]
    images = range(start, start + cache.class_offset[-1] * cache.size**2)
    generator = np.random.default_rng(0)
    places = [*range(8, 300, 7), *generator.integers(300, len(part), 300).tolist()]
    for place in places:
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        if place in images:
            assert facts(open_cache(path))["class_names"] == sound["class_names"]
            continue
        with pytest.raises(DataError, match=r"not as it was written"):
            facts(open_cache(path))


@pytest.mark.parametrize("where", ["text", "footer", "cut"])
def test_a_damaged_index_is_found_again(tmp_path: Path, where: str) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    sound, good = facts(cache), bytearray(cache.path.read_bytes())
    part, _ = split_file(cache.path)
    if where == "cut":
        del good[-20:]
    else:
        good[len(part) + 30 if where == "text" else -30] ^= 4
    cache.path.write_bytes(good)
    assert facts(open_cache(cache.path)) == sound


def _set(*path: Any) -> Callable[[Any], None]:
    """A change of the index: the value at a path of keys; Ellipsis takes the key away."""
    *keys, last, value = path

    def change(index: Any) -> None:
        for key in keys:
            index = index[key]
        if value is ...:
            del index[last]
        else:
            index[last] = value

    return change


INSANE = [
    *(_set("attributes", name, ...) for name in ("dataset", "mean", "schema", "seed")),
    *(_set("attributes", "mean", value) for value in ([], [1.0, 2.0], ["x"], 3, [float("nan")], [1e400], None, [[0]])),
    *(_set("attributes", "std", value) for value in ([0.0], [-1.0], {})),
    *(_set("attributes", "account", value) for value in ("{", "[" * 100_000, 5, "5")),
    *(_set("attributes", "schema", value) for value in ("x", [], 1e400)),
    _set("attributes", []),
    _set("attributes", "dataset", "\ud800"),
    _set("attributes", "dataset", {}),
    _set("class_names", 0, 5),
    _set("class_names", 0, ...),
    _set("class_names", "abcdefgh"),
    _set("class_splits", 0, None),
    *(_set("class_offset", 1, value) for value in (-1, 0, 10**30, 1.5, True, "1", 90)),
    _set("class_offset", []),
    _set("class_offset", -1, 10**6),
    *(_set("images", "offset", value) for value in (-1, 10**12, 2**62, 1.0, None)),
    *(_set("images", "shape", value) for value in ([], [90], [90, 4, 4], [90, 4, 4, 2], [90, 2**20, 2**20, 1])),
    *(_set("images", "shape", value) for value in ([2**40, 4, 4, 1], [90, 0, 0, 1], [[]], [90, 4, 4, 1, 1])),
    *(_set("images", "type", value) for value in ("|O", "<f8", "V1000000000", 5)),
    _set("images", ...),
    _set("evaluation", []),
    *(_set("evaluation", "5w1s15q", "offset", value) for value in (0, 1, 10**12)),
    *(_set("evaluation", "5w1s15q", "shape", value) for value in ([], [600], [600, 5, 17], [0, 5, 16], [10**9, 5, 16])),
    _set("evaluation", "5w1s15q", "crc", 0),
]


@pytest.mark.parametrize("change", INSANE)
def test_an_index_that_lies_is_refused_without_the_library(
    tmp_path: Path, change: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    part, index = split_file(cache.path)
    change(index)
    cache.path.write_bytes(with_index(part, index))
    monkeypatch.setattr(cache_module, "index_of_unchecked", no_child)
    with pytest.raises(DataError) as caught:
        facts(open_cache(cache.path))
    assert str(cache.path) in caught.value.message


@pytest.mark.parametrize("text", [b"", b"null", b"[" * 10**6, b'{"class_offset": ' + b"9" * 5000 + b"}", b"\xff", b"1"])
def test_an_index_that_is_none(tmp_path: Path, text: bytes) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    cache.path.write_bytes(with_index(split_file(cache.path)[0], text))
    with pytest.raises(DataError):
        open_cache(cache.path)


def test_a_file_that_is_replaced_meanwhile_is_not_mixed_with_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    part, _ = split_file(cache.path)
    cache.path.write_bytes(part)
    plain = cache_module.index_of_unchecked

    def replaced(path: Path) -> Any:
        found = plain(path)
        (tmp_path / "new").write_bytes(part)
        (tmp_path / "new").replace(path)
        return found

    monkeypatch.setattr(cache_module, "index_of_unchecked", replaced)
    with pytest.raises(DataError, match="changed while it was read"):
        open_cache(cache.path)
    assert cache.path.read_bytes() == part


def test_a_permission_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    monkeypatch.setattr(cache_module, "mapped", lambda file: (_ for _ in ()).throw(PermissionError(13, "denied")))
    cache_module._open.cache_clear()
    with pytest.raises(DataError, match="cannot be read: denied") as caught:
        open_cache(cache.path)
    assert "prepare" not in caught.value.hint


def test_opening_a_cache_needs_no_hdf5_library(tmp_path: Path) -> None:
    cache = small_cache(tmp_path / "toy.h5", COUNTS)
    code = (
        "import sys; from pathlib import Path; from tnas_cli.episodes.cache import open_cache\n"
        "open_cache(Path(sys.argv[1])).evaluation_table('5w1s15q'); assert 'h5py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(cache.path)], check=True)


@pytest.mark.parametrize("name", ["damaged-cache-hangs.h5", "damaged-cache-crashes.h5"])
def test_what_stops_the_hdf5_library_is_an_error(tmp_path: Path, name: str) -> None:
    case = Path(__file__).parents[3] / "shared" / "cases" / name
    if not case.is_file():
        pytest.skip(f"the damaged file {name} is not here")
    (tmp_path / name).write_bytes(case.read_bytes())
    with pytest.raises(DataError, match="the HDF5 library c") as caught:
        open_cache(tmp_path / name)
    assert "--force" in caught.value.hint
    assert (tmp_path / name).read_bytes() == case.read_bytes()
