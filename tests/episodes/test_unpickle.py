"""Pickles of plain values are read, in every protocol; a pickle that would execute anything is refused."""

from __future__ import annotations

import io
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.episodes.small_data import Payload, python2_pickle
from tnas_cli.episodes import pickle_machine
from tnas_cli.episodes.places import File, disk_file
from tnas_cli.episodes.unpickle import unpickle, whole_numbers
from tnas_cli.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)
CONTENT: dict[Any, Any] = {
    "data": PIXELS,
    "labels": [1, 0, 2],
    "names": {"a": [0, 2], "b": [1]},
}


def read(data: bytes) -> dict[str, Any]:
    return unpickle(File("some.pkl", lambda: io.BytesIO(data)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("fortran", [False, True])
def test_every_protocol(protocol: int, fortran: bool) -> None:
    content = CONTENT | {"data": np.asfortranarray(PIXELS) if fortran else PIXELS}
    found = read(pickle.dumps(content, protocol))
    np.testing.assert_array_equal(found["data"], PIXELS)
    assert found["data"].dtype == np.uint8
    assert (found["labels"], found["names"]) == ([1, 0, 2], {"a": [0, 2], "b": [1]})


def test_python_2() -> None:
    content = {b"data": PIXELS, b"labels": [1, 0, 2], b"names": {b"a": [0, 2]}}
    found = read(python2_pickle(content))
    np.testing.assert_array_equal(found["data"], PIXELS)
    assert (found["labels"], found["names"]) == ([1, 0, 2], {"a": [0, 2]})
    # Python itself reads the same value from this pickle.
    expected = pickle.loads(python2_pickle(content), encoding="bytes")
    np.testing.assert_array_equal(found["data"], expected[b"data"])


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("kind", ["u1", "<i4", ">i4", "<i8", "?", "<f4", ">f8"])
def test_kinds_of_arrays(protocol: int, kind: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(kind)
    found = read(pickle.dumps({"a": array}, protocol))["a"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


def _executes(protocol: int) -> bytes:
    return pickle.dumps({"data": Payload()}, protocol)


def _in_a_dict(value: bytes) -> bytes:
    """The pickle of {'a': value}, where `value` are the opcodes that make it."""
    return b"\x80\x04}\x8c\x01a" + value + b"s."


def test_opcodes_in_a_dict_are_read() -> None:
    assert read(_in_a_dict(b"K\x07")) == {"a": 7}


REFUSED = {
    "os.system": _executes(5),
    "os.system in protocol 0": _executes(0),
    "os.system in protocol 4": _executes(4),
    "eval": _in_a_dict(b'c__builtin__\neval\n(S\'open("executed", "w")\'\ntR'),
    "a path through an allowed module": _in_a_dict(b"\x8c\x05numpy\x8c\x10ndarray.__init__\x93"),
    "a dotted name": _in_a_dict(b"\x8c\x07_codecs\x8c\x0fencode.__call__\x93"),
    "another encoding": _in_a_dict(b"c_codecs\nencode\n(Vx\nVutf-8\ntR"),
    "half a number": _in_a_dict(b"cnumpy.core.numeric\n_frombuffer\n(C\x01xcnumpy\ndtype\n(Vf8\ntR(I1\ntVC\ntR"),
    "an array of objects": pickle.dumps({"data": np.array([{}, None], dtype=object)}, 4),
    "an array of text": pickle.dumps({"data": np.array(["a", "b"])}, 4),
    "a class": pickle.dumps({"data": Path("x")}),
    "a list": pickle.dumps([1, 2]),
    "an array alone": pickle.dumps(PIXELS),
    "nothing": b"",
    "text": b"hello, this is no pickle",
    "a wrong shape": pickle.dumps({"data": PIXELS}, 4).replace(b"K\x03K\x04K\x05", b"K\x03K\x04K\x06"),
}


def _bytes8(size: int) -> bytes:
    return b"\x8e" + size.to_bytes(8, "little")


def _nested_key() -> bytes:
    """A tuple of twice the same tuple, thirty times, as a key: its hash takes 2 ** 30 steps."""
    return b"\x80\x04})" + b"2\x86" * 30 + b"K\x01s."


REFUSED |= {
    "a length beyond the file": _in_a_dict(_bytes8(2**62)),
    "a negative length": _in_a_dict(b"T\xff\xff\xff\xff"),
    "a key that takes for ever to hash": _nested_key(),
    "keys of one hash": pickle.dumps({k * (2**61 - 1): k for k in range(1, 9)}),
    "an endless number": _in_a_dict(b"\x8b\x00\x01\x00\x00" + bytes(256)),
    "a number of many digits": _in_a_dict(b"I" + b"9" * 5000 + b"\n"),
    "steps without end": b"\x80\x04" + b"N0" * 20 + b"}.",
    "a mark as a value": b"\x80\x04}\x8c\x01a(s.",
    "values without a mark": b"\x80\x04}\x8c\x01aNu.",
    "a call of a text": _in_a_dict(b"\x8c\x01x)R"),
    "a state for a dict": b"\x80\x04}}b.",
    "a state for a class": _in_a_dict(b"cnumpy\nndarray\n)b"),
    "a list in place of a dict": b"\x80\x04]\x8c\x01aK\x01s.",
    "no end": b"\x80\x04}",
    "a top that is not there": b"\x80\x040.",
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pickle_machine, "STEPS", 30 if "steps" in name else 10**4)
    with pytest.raises(DataError, match=r"^some\.pkl ") as caught:
        read(REFUSED[name])
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_payload_would_execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(_executes(5))
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_truncated_pickle_is_refused(protocol: int, keep: float) -> None:
    data = pickle.dumps(CONTENT, protocol)
    with pytest.raises(DataError, match="is not a pickle of plain arrays"):
        read(data[: int(len(data) * keep)])


VALUES: dict[Any, Any] = {
    "numbers": [0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**63, -(2**200), 0.1, -1e300, True, False, None],
    "texts": ["", "a", "ä" * 300, "\n\\'\"", "\U0001f600"],
    "nested": {"a": [{"b": (1, (2, 3, 4), ())}, []], 7: {}},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_those_of_pickle(protocol: int) -> None:
    shared = ["twice"]
    found = read(pickle.dumps({**VALUES, "one": shared, "other": shared}, protocol))
    assert found == {**VALUES, "one": shared, "other": shared}
    assert found["one"] is found["other"]
    assert [type(value) for value in found["numbers"]] == [type(value) for value in VALUES["numbers"]]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_large_array_stays_in_the_file(tmp_path: Path, protocol: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 300, 300, 3), dtype=np.uint8)  # 17 MB
    (tmp_path / "large.pkl").write_bytes(pickle.dumps({"data": pixels, "after": 7}, protocol))
    tracemalloc.start()
    found = unpickle(disk_file(tmp_path / "large.pkl"))
    row = found["data"][63]
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert used < 8 * 2**20
    np.testing.assert_array_equal(row, pixels[63])
    assert (found["after"], found["data"].shape, len(found["data"])) == (7, pixels.shape, 64)
    with pytest.raises(IndexError):
        found["data"][64]


def test_a_large_array_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps({"data": np.zeros(10**6, np.uint8)}, 4)
    (tmp_path / "cut.pkl").write_bytes(data[:-1000])
    with pytest.raises(DataError, match=r"cut\.pkl is not a pickle .* ends too early"):
        unpickle(disk_file(tmp_path / "cut.pkl"))


def test_strings_and_large_texts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_machine, "IN_MEMORY", 1000)
    with pytest.raises(DataError, match="of strings"):
        read(pickle.dumps({"a": ["x" * 300, "y" * 300, "z" * 300, "u" * 300]}))
    # One text, and as many copies of it as there are calls.
    text = b"X" + (200).to_bytes(4, "little") + b"t" * 200
    again = b"h\x00h\x01h\x02\x86R"
    copies = b"c_codecs\nencode\nq\x000" + text + b"q\x010X\x06\x00\x00\x00latin1q\x020](" + again * 5 + b"e"
    with pytest.raises(DataError, match="of strings"):
        read(b"\x80\x02}X\x01\x00\x00\x00a" + copies + b"s.")
    monkeypatch.setattr(pickle_machine, "SMALL", 100)
    monkeypatch.setattr(pickle_machine, "IN_MEMORY", 10**6)
    with pytest.raises(DataError, match="more than 4 large arrays"):
        read(b"\x80\x02}X\x01\x00\x00\x00a" + copies + b"s.")


def test_whole_numbers() -> None:
    found = read(pickle.dumps({"a": np.array([0, 2, 1]), "b": np.array([[1]]), "c": [np.int64(3), 1], "d": [True]}))
    assert whole_numbers(found["a"], 3) == [0, 2, 1] and whole_numbers(found["a"], 2) is None
    assert whole_numbers(found["b"], 3) is None and whole_numbers(found["c"], 4) == [3, 1]
    assert whole_numbers(found["d"], 3) is None and whole_numbers("01", 3) is None
