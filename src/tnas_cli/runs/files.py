"""Files that are whole or absent: written beside their place, flushed, and renamed into it.

When a call here returns, the file is on the disk, and so is its name: a power cut takes neither. A temporary file is
held while it is written (`held.py`); what a killed process left is removed when its place is written again.
"""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tnas_cli.errors import DataError, TnasError, WriteError
from tnas_cli.plain import json_value
from tnas_cli.runs.held import ENDING, discard, held, remove_left
from tnas_cli.runs.refusals import refusal_of


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; after the block it is flushed and renamed to `path`, or removed on an error.

    Raises WriteError when the folder cannot be written (read-only, full, or not a folder).
    """
    partial = beside(path)
    try:
        make_folder(path.parent)
        remove_left(path.parent, path.name)
        with held(partial):
            yield partial
            flush(partial)
            partial.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        discard(partial)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a new folder: what the block writes into a temporary one appears at `path`, or nothing does.

    Raises WriteError when it cannot be written, or when there is something at `path`.
    """
    try:
        with _folder_beside(path) as partial:
            yield partial
            _flush_all(partial)
            if path.is_dir():
                path.rmdir()  # only an empty folder can be removed
            partial.replace(path)
            flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the system or a library has against writing `path` within the block becomes a WriteError.

    For blocks that do nothing else: libraries say it with errors of any kind.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise cannot_write(path, error) from error


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """An unnamed file in the system's folder for temporary files. Write to it within `writing(temporary_folder())`.

    Raises WriteError where there is no such folder.
    """
    with writing(temporary_folder()):
        file = tempfile.TemporaryFile()  # noqa: SIM115  its errors are not those of the block
    try:
        yield file
    finally:
        with suppress(OSError):  # what was not written yet is not needed
            file.close()


def temporary_folder() -> Path:
    """The system's folder for temporary files. Raises WriteError if there is none that can be written."""
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise WriteError("there is no folder for temporary files.", hint="name one: export TMPDIR=FOLDER") from error


def new_folder(root: Path, name: str, texts: Mapping[str, str]) -> Path:
    """Make the folder `root/name-<n>` with the first free n and these files, whole or not at all; returns its path.

    Raises TnasError when it cannot be written.
    """
    path = root / f"{name}-1"
    try:
        with _folder_beside(root / name) as partial:
            for file, text in texts.items():
                (partial / file).write_text(text, encoding="utf-8")
            _flush_all(partial)
            for number in itertools.count(1):
                path = root / f"{name}-{number}"
                if os.path.lexists(path):
                    continue
                try:
                    partial.rename(path)
                except OSError as error:
                    if error.errno in (errno.EEXIST, errno.ENOTEMPTY):  # another process was quicker
                        continue
                    raise
                break
            flush_folder(root)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, so that a power cut takes none of them; raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:  # a file, or a link that leads nowhere
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
    flush_folder(folder.parent)


def remove(path: Path) -> None:
    """Remove a file for good, if it is there; raises TnasError."""
    try:
        path.unlink(missing_ok=True)
        flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def flush(path: Path) -> None:
    """Wait until what was written to a file is on the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


#: What systems answer that do not flush folders, or not this one.
_CANNOT_FLUSH = (errno.EINVAL, errno.EACCES, errno.EPERM, errno.EBADF, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOENT)


def flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that; raises OSError."""
    try:
        flush(folder)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise


def check_can_write(path: Path) -> None:
    """Raises TnasError now where `path` could not be written later: a folder, or a place that takes no file."""
    if path.is_dir():
        raise WriteError(f"cannot write {path}: it is a folder.", hint="name a file")
    probe = beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(probe):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        discard(probe)


def exists(path: Path) -> bool:
    """Whether there is anything; no for any text that cannot be a path either."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a file; no for any text that cannot be a path either."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def cannot_write(path: Path, error: Exception) -> WriteError:
    """The error for an output path that cannot be written."""
    found = refusal_of(error)
    kept = "; the earlier file is kept" if is_file(path) else ""
    return WriteError(f"cannot write {path}: {found.reason}{kept}.", hint=found.hint)


def cannot_read(path: Path | str, error: Exception, kind: type[TnasError] = DataError) -> TnasError:
    """The error for a file that the system does not give, which says nothing about what is in it."""
    found = refusal_of(error)
    return kind(f"cannot read {path}: {found.reason}.", hint=found.hint)


def refused(error: OSError) -> TnasError:
    """The error for whatever else the system refuses."""
    found = refusal_of(error)
    if error.filename is None:
        return TnasError(f"the system refuses: {found.reason}.", hint=found.hint)
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    return cannot_write(Path(name), error) if found.writing else cannot_read(name, error)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def read_bytes(path: Path) -> bytes:
    """What is in a file. Raises DataError that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from error


def read_json(path: Path) -> Any:
    """The JSON value in a file that a run wrote for itself. Raises DataError that names the file."""
    try:
        return json_value(read_bytes(path).decode())
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}).", hint="the file was changed or is damaged") from error


def beside(path: Path) -> Path:
    """A new temporary name beside `path`."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{ENDING}")


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A new temporary folder beside `path`, which is removed if it is still there after the block; raises OSError."""
    partial = beside(path)
    try:
        make_folder(path.parent)
        remove_left(path.parent, path.name)
        partial.mkdir()
        with held(partial):
            yield partial
    finally:
        discard(partial)


def _flush_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        flush_folder(path) if path.is_dir() else flush(path)
    flush_folder(folder)
