"""A process that reads one unchecked HDF5 file: the library may crash, loop or ask for all memory, and only this ends.

`unchecked_hdf5` starts it as a script, which imports nothing of tnas. It says `ready`, describes the file in a line of
JSON, then answers requests, one line each: `{"name": "/images", "first": 0, "count": 10, "seconds": 1}`. An answer is a
line of JSON, and the bytes that it announces. Only hard links are followed, and only tables that lie in the file itself
are read.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

#: Bounds of what a file may ask for, far above what a data set needs.
MOST_OBJECTS = 500_000
MOST_BYTES = 256 * 2**20  # one answer
MOST_ATTRIBUTES = 32 * 2**20
MEMORY = 512 * 2**20  # beyond what the process holds before it opens the file


class _RefusedError(Exception):
    """The file asks for something that is not read."""


def _limit_memory() -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  pathlib would be one more import
            held = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    except (ImportError, OSError, ValueError):
        pass  # a system without these limits; the time limit holds


def _limit_seconds(seconds: float) -> None:
    """End this process after so many seconds of computing: a signal that no handler waits for stops any loop."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _attributes(file: Any) -> dict[str, Any]:
    """The attributes of the file that are texts, numbers or rows of numbers; others are left out."""
    found: dict[str, Any] = {}
    held = 0
    for name in file.attrs:
        kind = file.attrs.get_id(name)
        held += kind.get_storage_size()
        if held > MOST_ATTRIBUTES:
            raise _RefusedError("its attributes are larger than any data set's")
        value = file.attrs[name]
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.ndim == 1:
            value = value.tolist()
        if isinstance(value, (str, int, float, list)):
            found[str(name)] = value
    return found


def _kind(table: Any) -> str:
    """What the entries are: 'number', 'text', 'bytes' (rows of uint8 of any length), or 'other', which is not read."""
    if h5py.check_string_dtype(table.dtype) is not None:
        return "text"
    rows = h5py.check_vlen_dtype(table.dtype)
    if rows is not None:
        return "bytes" if rows == np.uint8 else "other"
    plain = table.dtype.kind in "iufb" and table.dtype.itemsize <= 8 and h5py.check_enum_dtype(table.dtype) is None
    return "number" if plain or table.dtype == np.bool_ else "other"


def _described(table: Any) -> dict[str, Any]:
    plan = table.id.get_create_plist()
    if plan.get_external_count() or plan.get_layout() == h5py.h5d.VIRTUAL:
        raise _RefusedError(f"table {table.name[:100]!r} lies in another file")
    return {
        "shape": list(table.shape or ()),
        "type": table.dtype.str if _kind(table) == "number" else "",
        "kind": _kind(table) if table.shape is not None else "other",
        "offset": table.id.get_offset(),
    }


def _tables(file: Any) -> Iterator[tuple[str, Any]]:
    """Every table below the root by its path, each group once, whatever circles the links make."""
    left, seen, count = [("", file)], set(), 0
    while left:
        above, group = left.pop()
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            continue
        seen.add(place)
        for name in group:
            count += 1
            if count > MOST_OBJECTS:
                raise _RefusedError(f"it has more than {MOST_OBJECTS} entries")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _RefusedError(f"{name[:100]!r} is a link to another place")
            found = group[name]
            if isinstance(found, h5py.Group):
                left.append((f"{above}/{name}", found))
            elif isinstance(found, h5py.Dataset):
                yield f"{above}/{name}", found


def _read(table: Any, first: int, count: int) -> tuple[dict[str, Any], bytes]:
    about = _described(table)
    if about["kind"] == "other" or not about["shape"]:
        raise _RefusedError(f"table {table.name[:100]!r} holds neither numbers, texts nor rows of bytes")
    each = int(np.prod(about["shape"][1:], dtype=object)) * table.dtype.itemsize
    if first < 0 or count < 0 or first + count > about["shape"][0] or each * count > MOST_BYTES:
        raise _RefusedError(f"table {table.name[:100]!r} declares {about['shape']}, more than can be read")
    if about["kind"] == "number":
        values = np.ascontiguousarray(table[first : first + count])
        return {"bytes": values.nbytes}, values.tobytes()
    if about["kind"] == "text":
        texts = table.asstr(errors="replace")[first : first + count].tolist()
        return {"texts": texts, "bytes": 0}, b""
    if len(about["shape"]) != 1:
        raise _RefusedError(f"table {table.name[:100]!r} has rows of bytes in {len(about['shape'])} dimensions")
    rows = [row.tobytes() for row in table[first : first + count]]
    return {"lengths": [len(row) for row in rows], "bytes": sum(map(len, rows))}, b"".join(rows)


def _answer(out: Any, header: dict[str, Any], data: bytes = b"") -> None:
    out.write(json.dumps(header).encode() + b"\n" + data)
    out.flush()


def main(path: str, seconds: float) -> None:
    """Describe the file at `path`, then answer requests until stdin ends; each has `seconds` of computing."""
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    _limit_memory()
    _limit_seconds(seconds)
    try:
        with h5py.File(path, "r", locking=False) as file:
            tables = dict(_tables(file))
            _answer(
                out,
                {
                    "attributes": _attributes(file),
                    "tables": {name: _described(table) for name, table in tables.items()},
                },
            )
            while line := sys.stdin.readline():
                asked = json.loads(line)
                _limit_seconds(asked["seconds"])
                _answer(out, *_read(tables[asked["name"]], asked["first"], asked["count"]))
    except BrokenPipeError:
        os._exit(1)  # who asked is gone
    except Exception as error:
        text = str(error) if isinstance(error, _RefusedError) else f"{type(error).__name__}: {error}"
        _answer(out, {"error": text.splitlines()[0][:300] if text else type(error).__name__})
        os._exit(1)  # without closing a damaged file, which may crash


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
