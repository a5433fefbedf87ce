"""What units need and a worker lacks: contents, by their SHA-256, which the client sends once to each worker.

A unit names the hashes; its worker asks for those that it has not, and the client pushes them in pieces. They lie in
the worker's own folder, which Dask removes when it ends.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Event
from tnas_cli.runs.files import make_folder
from tnas_cli.runs.held import ENDING

#: Bytes that are sent at a time.
PIECE = 4 * 2**20
SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Asks(Event):
    """A worker lacks these contents."""

    worker: str
    digests: Sequence[str]


def digest(source: Path | bytes) -> str:
    """The hash of bytes, or of what a file holds; raises OSError."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pieces(source: Path | bytes) -> Iterator[bytes]:
    """The content in pieces, at least one; raises OSError."""
    if isinstance(source, bytes):
        yield from (source[first : first + PIECE] for first in range(0, len(source) or 1, PIECE))
        return
    with source.open("rb") as file:
        yield file.read(PIECE)
        while piece := file.read(PIECE):
            yield piece


def push(client: Any, source: Path | bytes, content: str, workers: Collection[str]) -> None:
    """Send a content to these workers, of which some may go meanwhile. Raises TnasError where one cannot keep it, or
    where it has changed since it was hashed; OSError for a file that cannot be read."""
    sent = uuid.uuid4().hex

    def on_all(function: Callable[..., bool], given: Any) -> None:
        found = client.run(function, sent, given, workers=list(workers), on_error="return")
        for worker in client.nthreads():
            if _is_refusal(found.get(worker, True)):
                raise TnasError(
                    f"worker {worker} could not take {source if isinstance(source, Path) else 'its work'} "
                    f"({found[worker] or 'other bytes arrived'}).",
                    hint="give it space, and change nothing that a cluster works with",
                )

    for piece in pieces(source):
        on_all(put, piece)
    on_all(put_whole, content)


def _is_refusal(answer: object) -> bool:
    """Whether a worker has said no; what Dask says of one that has gone has no number of an error."""
    return answer is not True and not (isinstance(answer, OSError) and answer.errno is None)


def lacking(digests: Collection[str], dask_worker: Any = None) -> list[str]:
    """Those of the contents that this worker has not."""
    return [content for content in digests if not path_of(dask_worker, content).is_file()]


def put(sent: str, piece: bytes, dask_worker: Any = None) -> bool:
    """Take the next piece of something that is being sent, on a worker."""
    path = path_of(dask_worker, sent + ENDING)
    make_folder(path.parent)
    with path.open("ab") as file:
        file.write(piece)
    return True


def put_whole(sent: str, content: str, dask_worker: Any = None) -> bool:
    """Keep what has been sent under its hash, on a worker; no if that is another one."""
    path = path_of(dask_worker, sent + ENDING)
    if digest(path) != content:
        path.unlink()
        return False
    path.replace(path_of(dask_worker, content))
    return True


def path_of(worker: Any, name: str) -> Path:
    """Where a worker keeps a content, or anything of ours."""
    return Path(worker.local_directory) / "tnas" / name


def have(worker: Any, digests: Collection[str], ask: Callable[[Asks], None], wanted: Callable[[], bool]) -> bool:
    """Wait until this worker has the contents, which it asks for; no if its unit is not wanted any more."""
    missing = lacking(digests, worker)
    if missing:
        ask(Asks(worker.address, missing))
    while wanted():
        if not missing:
            return True
        time.sleep(SECONDS_BETWEEN_LOOKS)
        missing = lacking(missing, worker)
    return False
