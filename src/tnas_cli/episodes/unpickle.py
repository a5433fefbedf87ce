"""Reading pickles of arrays, dicts, lists, strings and numbers; anything else in them is refused, nothing is executed.

The data sets that come as pickles hold no more than that. The unpickler may ask for five names, all of them stand-ins
defined here; an array uses the pickle's own bytes, so that a file of 800 MB takes 800 MB of memory.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.places import File
from tnas_cli.errors import DataError

_KINDS = {"u1": np.uint8, "i4": np.int32, "i8": np.int64, "b1": np.bool_, "f4": np.float32, "f8": np.float64}


class _Kind:
    """Stands in for numpy.dtype: one of the plain numeric kinds."""

    def __init__(self, code: Any, *_: object) -> None:
        name = code.decode() if isinstance(code, bytes) else str(code)
        if name not in _KINDS:
            raise pickle.UnpicklingError(f"an array of type {name!r}")
        self.dtype = np.dtype(_KINDS[name])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """Stands in for numpy.ndarray."""

    value: npt.NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


def _array(data: Any, kind: _Kind, shape: Any, order: str) -> npt.NDArray[Any]:
    if not isinstance(data, bytes | bytearray | memoryview | pickle.PickleBuffer):
        raise pickle.UnpicklingError("an array of objects")
    values: npt.NDArray[Any] = np.frombuffer(memoryview(data), dtype=kind.dtype)
    return values.reshape(tuple(shape), order="F" if order == "F" else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(data: Any, kind: _Kind, shape: Any, order: str) -> _Array:
    found = _Array()
    found.value = _array(data, kind, shape, order)
    return found


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in encoding {encoding!r}")
    return text.encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _latin1,
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("numeric", "_frombuffer", _from_buffer),
    )
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ALLOWED[module, name]


def unpickle(file: File) -> dict[str, Any]:
    """The dict that a pickle holds: its arrays as NumPy arrays, and its keys as str even if Python 2 wrote them.

    Raises DataError for a file that is damaged, holds something else, or asks for anything to be executed.
    """
    try:
        with file.open() as stream:
            content = _plain(_Unpickler(stream, encoding="bytes").load())
    except DataError:
        raise
    except Exception as error:  # a pickle is a program; a damaged one fails in any way
        raise DataError(
            f"{file.label} is not a pickle of plain arrays, lists and dicts: {error}.",
            hint="nothing in it was executed; get the file again from a source that you trust",
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{file.label} holds a {type(content).__name__}, not a dict.", hint="get the original file")
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {_text(key): _plain(item) for key, item in value.items()}
    return value


def _text(key: Any) -> Any:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key
