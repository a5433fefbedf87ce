"""A unit of work on a worker of a Dask cluster: it is done by a process of its own, which saves in the run's folder.

A worker's threads share PyTorch's thread count and the engine's pool, and cannot be stopped; a process has its own, and
can be. Idle processes wait a minute for the next unit of the same run, so that short units do not wait for imports.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Status, Worker, get_worker

from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Event, Made, Progress
from tnas_cli.scale.cluster import digest, does_not_see, other_version, versions
from tnas_cli.scale.processes import AVAILABLE, Process, end, listen, started

DONE, FAILED, STOPPED, REFUSED = "done", "failed", "stopped", "refused"


@dataclass(frozen=True)
class Outcome:
    """How a unit ended on a worker, with its error where it has one, and with what it made."""

    how: str
    worker: str
    error: TnasError | None = None
    made: Sequence[Made] = ()


SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_IDLE = 60.0

_idle: dict[str, list[Process]] = defaultdict(list)
_busy: dict[str, int] = defaultdict(int)
#: Runs, and the hash of a file of theirs that is as it is for the client.
_seen: set[tuple[str, str]] = set()
_guard = threading.Lock()


def busy(run: str) -> bool:
    """Whether a unit of the run is computed on this worker."""
    return _busy[run] > 0


def do_unit(
    work: bytes, run: str, item: int, key: str, topic: str, needed: Mapping[str, str], seen: tuple[Path, str]
) -> Outcome:
    """Do `work`, which is pickled, for an item, as the Dask task `key`. run: names the run and its work, for which a
    process may be used again. topic: where its events are reported, each as an item and a pickled event. needed: the
    client's versions, and seen: a file with its hash, which a worker that came late may not have.

    It saves and stops where nobody wants the task any more: the client has gone, or the worker is about to end.
    """
    worker = get_worker()
    if (unfit := _unfit(worker.address, run, needed, seen)) is not None:
        return Outcome(REFUSED, worker.address, unfit)
    with _guard:
        _busy[run] += 1
    try:
        return _done(worker, work, run, item, key, topic)
    finally:
        with _guard:
            _busy[run] -= 1


def _unfit(address: str, run: str, needed: Mapping[str, str], seen: tuple[Path, str]) -> TnasError | None:
    """Why this worker cannot do the work."""
    for package, theirs in versions().items():
        if theirs != needed[package]:
            return other_version(address, package, theirs, needed[package])
    if not AVAILABLE:
        return TnasError(f"worker {address} runs on Windows.", hint="use workers on Linux or macOS")
    file, needs = seen
    if (run, needs) not in _seen:
        with suppress(OSError):
            if digest(file) == needs:
                _seen.add((run, needs))
                return None
        return does_not_see(address, file)
    return None


def _done(worker: Worker, work: bytes, run: str, item: int, key: str, topic: str) -> Outcome:
    process = _ready(run, work, item)
    reporting = _reporting(worker, topic, item)
    made: list[Made] = []
    failure, asked = None, False

    def report(number: int, event: Event) -> None:
        if isinstance(event, Made):  # it may be large, and must arrive
            made.append(event)
        else:
            reporting(number, event)

    while process.item is not None:
        failure = listen([process], report) or failure
        if not asked and not _wanted(worker, key):
            process.ask_to_stop()
            asked = True
    if process.handle.is_alive() and not asked:
        _keep(run, process)
    else:
        end([process])
    if failure is None:
        return Outcome(DONE, worker.address, made=made)
    if isinstance(failure, TnasError):
        return Outcome(FAILED, worker.address, failure)
    return Outcome(STOPPED, worker.address)


def _ready(run: str, work: bytes, item: int) -> Process:
    """A process that has begun with this item."""
    with _guard:
        while _idle[run]:
            process = _idle[run].pop()
            if process.handle.is_alive():
                process.give(item)
                return process
        # Dask's workers are marked as processes that may have no children; theirs end with them.
        multiprocessing.current_process().daemon = False
        return started(multiprocessing.get_context("spawn"), pickle.loads(work), item)


def _keep(run: str, process: Process) -> None:
    """Have it wait for the next unit, for a while."""
    with _guard:
        _idle[run].append(process)

    def give_up() -> None:
        with _guard:
            if process not in _idle[run]:
                return
            _idle[run].remove(process)
        end([process])

    timer = threading.Timer(SECONDS_IDLE, give_up)
    timer.daemon = True
    timer.start()


def _reporting(worker: Worker, topic: str, item: int) -> Callable[[int, Event], None]:
    """Passes events on to the client: of progress, the last of each second, and the end; of others, none twice."""
    said = 0.0
    last: Event | None = None

    def report(_: int, event: Event) -> None:
        nonlocal said, last
        now = time.monotonic()
        if isinstance(event, Progress) and event.done < event.total and now - said < SECONDS_BETWEEN_REPORTS:
            return
        if event == last:
            return
        said, last = now, event
        worker.log_event(topic, {"item": item, "event": pickle.dumps(event)})

    return report


def _wanted(worker: Any, key: str) -> bool:
    """Whether the task is still to be done, and here. Dask has no public way to ask; `tests/scale/test_cluster.py`
    notices if this one changes."""
    task = worker.state.tasks.get(key)
    return worker.status == Status.running and task is not None and task.state in ("executing", "long-running")
