"""Files that are whole or absent: written beside their place, flushed, and renamed into it."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tnas_cli.errors import TnasError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; after the block it is flushed and renamed to `path`, or removed on an error.

    Raises TnasError when the folder cannot be written (read-only, full, or not a folder).
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        partial.unlink(missing_ok=True) if partial.parent.is_dir() else None


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a new folder: what the block writes into a temporary one appears at `path`, or nothing does.

    Raises TnasError when it cannot be written, or when there is something at `path`.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        partial.mkdir(parents=True)
        yield partial
        if path.is_dir():
            path.rmdir()  # only an empty folder can be removed
        partial.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_can_write(path: Path) -> None:
    """Raises TnasError now where `path` could not be written later: a folder, or a place that takes no file."""
    if path.is_dir():
        raise TnasError(f"cannot write {path}: it is a folder.", hint="name a file")
    probe = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        probe.unlink(missing_ok=True) if probe.parent.is_dir() else None


def is_file(path: Path) -> bool:
    """Whether there is a file; no for any text that cannot be a path either."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def cannot_write(path: Path, error: OSError) -> TnasError:
    """The error for an output path that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TnasError(f"cannot write {path}: no space left.", hint="free some space or choose another folder")
    return TnasError(f"cannot write {path}: {error.strerror or error}.", hint="choose a folder you can write to")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
