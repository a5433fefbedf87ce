"""The calls by which a process changes the disk, seen one by one: `install` puts a hook before and after each.

Files are written by Python's own file objects in the processes that are watched, also where a library writes them
itself otherwise (checkpoints, HDF5): so each write can be seen, and be the last one.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: How many bytes a checkpoint is written at a time: a third of it.
PIECES = 3


class Hook:
    """Told of each call on a path below its root; `kind` is open, write, truncate, close, fsync, or the call's name."""

    def before(self, kind: str, *paths: str) -> None:
        """Before the call."""

    def write(self, path: str, data: bytes, written: Callable[[bytes], int]) -> int:
        """In place of a write; `written` is the real one."""
        self.before("write", path)
        return written(data)

    def after(self, kind: str, *paths: str) -> None:
        """After the call, if it succeeded."""


def install(root: Path, hook: Hook) -> None:
    """Watch this process, for the rest of its life."""
    inside = f"{root}{os.sep}"

    def is_inside(path: str) -> bool:
        return path.startswith(inside)

    for name in ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "symlink"):
        setattr(os, name, _watched(name, getattr(os, name), hook, is_inside))
    os.open = _watched_open(os.open, hook, is_inside)
    os.fsync = _watched_fsync(os.fsync, hook, is_inside)
    io.open = builtins.open = _file_opener(builtins.open, hook, is_inside)


def _absolute(path: Any, folder: int | None = None) -> str:
    base = str(Path.cwd()) if folder is None else str(Path(f"/proc/self/fd/{folder}").readlink())
    return os.path.normpath(os.path.join(base, os.fsdecode(path)))  # noqa: PTH118  links are not followed


def _watched(name: str, real: Callable[..., Any], hook: Hook, is_inside: Callable[[str], bool]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        first = arguments[1:2] if name == "symlink" else arguments[: 2 if name in ("replace", "rename") else 1]
        paths = [_absolute(path, options.get("dir_fd")) for path in first]
        if not any(map(is_inside, paths)):
            return real(*arguments, **options)
        kind = {"replace": "rename", "remove": "unlink"}.get(name, name)
        hook.before(kind, *paths)
        result = real(*arguments, **options)
        hook.after(kind, *paths)
        return result

    return call


def _watched_open(real: Callable[..., int], hook: Hook, is_inside: Callable[[str], bool]) -> Callable[..., int]:
    def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        name = _absolute(path, options.get("dir_fd"))
        makes = bool(flags & os.O_CREAT) and is_inside(name)
        if makes:
            hook.before("open", name)
        descriptor = real(path, flags, *arguments, **options)
        if makes:
            hook.after("open", name)
        return descriptor

    return call


def _watched_fsync(real: Callable[[int], None], hook: Hook, is_inside: Callable[[str], bool]) -> Callable[[int], None]:
    def call(descriptor: int) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if not is_inside(f"{path}{os.sep}"):
            return real(descriptor)
        hook.before("fsync", path)
        real(descriptor)
        return hook.after("fsync", path)

    return call


def _file_opener(real: Callable[..., Any], hook: Hook, is_inside: Callable[[str], bool]) -> Callable[..., Any]:
    def call(
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        *rest: Any,
        **options: Any,
    ) -> Any:
        plain = isinstance(file, int) or "opener" in options or not set(mode) & set("wax+")
        if plain or not is_inside(path := _absolute(file)):
            return real(file, mode, buffering, encoding, errors, newline, *rest, **options)
        hook.before("open", path)
        raw = _Raw(path, mode.replace("b", "").replace("t", ""), hook)
        hook.after("open", path)
        if buffering == 0:
            return raw
        buffer: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)

    return call


class _Raw(io.FileIO):
    def __init__(self, path: str, mode: str, hook: Hook) -> None:
        super().__init__(path, mode)
        self.path, self.hook = path, hook

    def write(self, data: Any) -> int:
        return self.hook.write(self.path, bytes(data), super().write)

    def truncate(self, size: int | None = None) -> int:
        self.hook.before("truncate", self.path)
        return super().truncate(size)

    def close(self) -> None:
        was_open = not self.closed
        super().close()
        if was_open:
            self.hook.after("close", self.path)


def by_python() -> None:
    """Let libraries write through Python's files, for the rest of this process's life."""
    import h5py
    import torch

    save, file = torch.save, h5py.File

    def in_pieces(content: Any, path: Any, **options: Any) -> None:
        if not isinstance(path, str | Path):
            return save(content, path, **options)
        memory = io.BytesIO()
        save(content, memory, **options)
        data = memory.getvalue()
        size = -(-len(data) // PIECES)
        with Path(path).open("wb") as out:
            for first in range(0, len(data), size):
                out.write(data[first : first + size])
                out.flush()
        return None

    @contextmanager
    def through_python(path: Any, mode: str, **options: Any) -> Iterator[Any]:
        if mode != "w" or not isinstance(path, str | Path):
            with file(path, mode, **options) as opened:
                yield opened
            return
        with Path(path).open("w+b") as out, file(out, mode) as opened:
            yield opened

    torch.save, h5py.File = in_pieces, through_python


class Killer(Hook):
    """Ends this process with SIGKILL at its n-th call (from 1), or sends it another signal there. A write is killed
    when half of it is done."""

    def __init__(self, at: int, number: int, again: int | None = None) -> None:
        self.at, self.number, self.again, self.calls = at, number, again, 0

    def before(self, kind: str, *paths: str) -> None:
        self.calls += 1
        if self.calls in (self.at, self.again):
            os.kill(os.getpid(), self.number)

    def write(self, path: str, data: bytes, written: Callable[[bytes], int]) -> int:
        if self.calls + 1 == self.at and len(data) > 1:
            half = written(data[: len(data) // 2])
            self.before("write", path)
            with suppress(BlockingIOError):
                return half + written(data[half:])
        self.before("write", path)
        return written(data)
