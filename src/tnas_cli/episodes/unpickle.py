"""Reading pickles of arrays, dicts, lists, strings and numbers; anything else in them is refused, nothing is executed.

The data sets that come as pickles hold no more than that. A pickle is a program for a small machine; `Machine` runs the
part of it that builds such values, and asks Python's own machine for nothing. What is large stays in the file: an array
of 800 MB takes no memory, and a length that the file only claims takes none either.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.pickle_machine import STEPS, Machine, Refused, Stored
from tnas_cli.episodes.places import File
from tnas_cli.episodes.regions import Region
from tnas_cli.episodes.unfolding import spooled
from tnas_cli.errors import DataError, TnasError

_KINDS = {"u1": np.uint8, "i4": np.int32, "i8": np.int64, "b1": np.bool_, "f4": np.float32, "f8": np.float64}
LARGEST_IN_MEMORY = 256 * 2**20  # bytes of an array that is stored by columns, and has to be turned as a whole


class _Kind:
    """Stands in for numpy.dtype: one of the plain numeric kinds."""

    def __init__(self, code: Any, *_: object) -> None:
        name = code.decode() if isinstance(code, bytes) else str(code)
        if name not in _KINDS:
            raise Refused(f"an array of type {name!r}")
        self.dtype = np.dtype(_KINDS[name])

    def set_state(self, state: Any) -> None:
        if state[1] in (">", b">"):
            self.dtype = self.dtype.newbyteorder(">")


class PickledArray:
    """Stands in for numpy.ndarray: its rows are read when they are asked for."""

    dtype: np.dtype[Any] = np.dtype(np.uint8)
    shape: tuple[int, ...] = (0,)
    _data: bytes | Region = b""
    _by_columns = False

    def set_state(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.fill(data, kind, shape, "F" if fortran else "C")

    def fill(self, data: Any, kind: Any, shape: Any, order: Any) -> None:
        """The array's bytes, type and shape, as the pickle states them; they must fit each other."""
        if not isinstance(data, bytes | bytearray | Stored) or not isinstance(kind, _Kind):
            raise Refused("an array of objects")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise Refused("an array without a shape")
        self.dtype, self.shape = kind.dtype, shape
        self._data = data.region if isinstance(data, Stored) else bytes(data)
        size = self._data.size if isinstance(self._data, Region) else len(self._data)
        if size != math.prod(shape) * self.dtype.itemsize:
            raise Refused(f"an array {list(shape)} of {size} bytes")
        self._by_columns = order == "F" and len(shape) > 1
        if self._by_columns and size > LARGEST_IN_MEMORY:
            raise Refused(f"an array of {size / 2**20:.0f} MiB that is stored by columns")

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if not 0 <= row < len(self):
            raise IndexError(row)
        if self._by_columns:
            return np.asarray(self._turned[row])
        if isinstance(self._data, Region):
            data = self._data.read(size, row * size)
        else:
            data = self._data[row * size : (row + 1) * size]
        values: npt.NDArray[Any] = np.frombuffer(data, dtype=self.dtype)
        return values.reshape(self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        rows: npt.NDArray[Any] = np.frombuffer(self._whole(), self.dtype)
        values = self._turned if self._by_columns else rows.reshape(self.shape)
        return values.astype(dtype or self.dtype)

    @cached_property
    def _turned(self) -> npt.NDArray[Any]:
        values = np.frombuffer(self._whole(), self.dtype).reshape(self.shape, order="F")
        return np.ascontiguousarray(values)

    def _whole(self) -> bytes:
        if isinstance(self._data, bytes):
            return self._data
        return self._data.read(self._data.size)


def whole_numbers(values: Any, below: int) -> list[int] | None:
    """A list or a one-dimensional array of whole numbers from 0 to below `below`, as a list; None for anything else."""
    if isinstance(values, PickledArray):
        fits = values.ndim == 1 and values.dtype.kind in "iu" and len(values) <= STEPS
        values = np.asarray(values).tolist() if fits else None
    if not isinstance(values, list) or not all(type(value) is int and 0 <= value < below for value in values):
        return None
    return values


def _reconstruct(*_: object) -> PickledArray:
    return PickledArray()


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> PickledArray:
    found = PickledArray()
    found.fill(data, kind, shape, order)
    return found


def _scalar(kind: Any, data: Any) -> Any:
    if not isinstance(kind, _Kind) or not isinstance(data, bytes) or len(data) != kind.dtype.itemsize:
        raise Refused("a number without its bytes")
    return np.frombuffer(data, dtype=kind.dtype)[0].item()


def _latin1(text: Any, encoding: Any) -> bytes | Stored:
    """Bytes, as Python 3 writes them for older Pythons: as text of the same numbers."""
    if encoding not in ("latin1", "latin-1"):
        raise Refused(f"text in encoding {encoding!r}")
    if isinstance(text, str):
        return text.encode("latin1")
    if not isinstance(text, Stored):
        raise Refused("bytes that are no text")
    decoder = codecs.getincrementaldecoder("utf-8")()

    def pieces(stored: Region) -> Iterator[bytes]:
        for at in range(0, stored.size, 2**20):
            yield decoder.decode(stored.read(2**20, at)).encode("latin1")
        decoder.decode(b"", final=True)

    return Stored(spooled(pieces(text.region), text.region.size, "its text"))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _latin1,
} | {
    (f"numpy.{core}.{module}", name): stand_in
    for core in ("core", "_core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _reconstruct),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _from_buffer),
    )
}


def _named(module: str, name: str) -> Callable[..., Any]:
    if (module, name) not in _ALLOWED:
        raise Refused(f"{module}.{name}")
    found: Callable[..., Any] = _ALLOWED[module, name]
    return found


def unpickle(file: File) -> dict[Any, Any]:
    """The dict that a pickle holds: arrays as PickledArray, its keys as str even if Python 2 wrote them.

    Raises DataError for a file that is damaged, holds something else, or asks for anything to be executed.
    """
    region = file.region()
    try:
        content = Machine(region, _named).run()
    except TnasError:
        raise
    except Exception as error:  # a pickle is a program; a damaged one fails in any way
        raise DataError(
            f"{file.label} is not a pickle of plain arrays, lists and dicts: {str(error)[:200]}.",
            hint="nothing in it was executed; get the file again from a source that you trust",
        ) from error
    if not isinstance(content, dict):
        kind = "array" if isinstance(content, PickledArray) else type(content).__name__
        raise DataError(f"{file.label} holds a {kind}, not a dict.", hint="get the original file")
    return content
