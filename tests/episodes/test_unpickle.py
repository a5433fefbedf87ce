"""Pickles of plain values are read, in every protocol; a pickle that would execute anything is refused."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.episodes.small_data import Payload, python2_pickle
from tnas_cli.episodes.places import File
from tnas_cli.episodes.unpickle import unpickle
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


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
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
