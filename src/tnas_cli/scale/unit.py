"""A unit of work on a worker of a Dask cluster: it is done by a process of its own.

A worker's threads share PyTorch's thread count and the engine's pool, and cannot be stopped; a process has its own, and
can be. Idle processes wait a minute for the next unit of the same run, so that short units do not wait for imports.

A unit saves in the run's folder. Where workers do not see that, each process has a folder of its own with what the unit
needs, and what the unit has made there goes back with its outcome.
"""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from distributed import Status, Worker, get_worker

from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Event, Made, Progress
from tnas_cli.runs.files import make_folder
from tnas_cli.runs.held import ENDING
from tnas_cli.scale.cluster import does_not_see, other_version, versions
from tnas_cli.scale.contents import digest, have, path_of
from tnas_cli.scale.processes import AVAILABLE, Process, end, listen, started

DONE, FAILED, STOPPED, REFUSED = "done", "failed", "stopped", "refused"


@dataclass(frozen=True)
class Order:
    """One item of a work, as the Dask task `key`. run: names the run and its work, for which a process may be used
    again. work: the hash of the pickled work. topic: where its events are reported, each as an item and a pickled
    event. versions: the client's. seen: a file with its hash, which all workers must see.

    common, own: where the workers see no files of the client, what all items need and what this one needs: hashes by
    their places in the process's folder.
    """

    run: str
    item: int
    key: str
    topic: str
    work: str
    versions: Mapping[str, str]
    seen: tuple[Path, str] | None
    common: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a unit ended on a worker, with its error where it has one, and with what it made: values, and files by their
    places, of which None is removed."""

    how: str
    worker: str
    error: TnasError | None = None
    made: Sequence[Made] = ()
    files: Mapping[str, bytes | None] = field(default_factory=dict)


SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_IDLE = 60.0


@dataclass(frozen=True)
class _Idle:
    """A process that waits for a unit until a moment of the monotonic clock."""

    process: Process
    until: float


_idle: dict[str, list[_Idle]] = defaultdict(list)
#: The one that ends idle processes, if there are any.
_timers: list[threading.Timer] = []
_busy: dict[str, int] = defaultdict(int)
#: Runs, and the hash of a file of theirs that is as it is for the client.
_seen: set[tuple[str, str]] = set()
#: Tasks that are to save and stop, and to return what they have saved.
_stopping: set[str] = set()
_guard = threading.Lock()


def busy(run: str) -> bool:
    """Whether a unit of the run is computed on this worker."""
    return _busy[run] > 0


def stop_units(keys: Collection[str]) -> None:
    """Have these tasks, if they are on this worker, save and stop."""
    with _guard:
        _stopping.update(keys)


def do_unit(order: Order) -> Outcome:
    """Do a unit. It saves and stops where nobody wants the task any more: the client has gone, or the worker is about
    to end."""
    worker = get_worker()
    if (unfit := _unfit(worker.address, order)) is not None:
        return Outcome(REFUSED, worker.address, unfit)
    with _guard:
        _busy[order.run] += 1
    try:
        return _done(worker, order)
    finally:
        with _guard:
            _busy[order.run] -= 1
            _stopping.discard(order.key)


def _unfit(address: str, order: Order) -> TnasError | None:
    """Why this worker cannot do the work."""
    for package, theirs in versions().items():
        if theirs != order.versions[package]:
            return other_version(address, package, theirs, order.versions[package])
    if not AVAILABLE:
        return TnasError(f"worker {address} runs on Windows.", hint="use workers on Linux or macOS")
    if order.seen is None:
        return None
    file, needs = order.seen
    if (order.run, needs) not in _seen:
        with suppress(OSError):
            if digest(file) == needs:
                _seen.add((order.run, needs))
                return None
        return does_not_see(address, file)
    return None


def _done(worker: Worker, order: Order) -> Outcome:
    process = _begun(worker, order)
    if process is None:
        return Outcome(STOPPED, worker.address)
    reporting = _reporting(worker, order)
    made: list[Made] = []
    failure, asked = None, False

    def report(number: int, event: Event) -> None:
        if isinstance(event, Made):  # it may be large, and must arrive
            made.append(event)
        else:
            reporting(number, event)

    while process.item is not None:
        failure = listen([process], report) or failure
        if not asked and not _wanted(worker, order.key):
            process.ask_to_stop()
            asked = True
    files = _collected(process.folder, order)
    if process.handle.is_alive() and not asked:
        _keep(order.run, process)
    else:
        _end(process)
    if failure is None:
        return Outcome(DONE, worker.address, made=made, files=files)
    if isinstance(failure, TnasError):
        return Outcome(FAILED, worker.address, failure, files=files)
    return Outcome(STOPPED, worker.address, files=files)


def _begun(worker: Worker, order: Order) -> Process | None:
    """A process that has begun with the item; None if the task is not wanted any more."""
    needed = {order.work, *order.common.values(), *order.own.values()}
    while have(worker, needed, partial(_tell, worker, order), partial(_wanted, worker, order.key)):
        process = _waiting(order.run)
        folder = process.folder if process else path_of(worker, uuid.uuid4().hex)
        try:
            if folder is not None:
                _place(worker, folder, order, new=process is None)
            break
        except FileNotFoundError:  # another unit has had the same content, and is done with it
            if process:
                _keep(order.run, process)
    else:
        return None
    if process:
        process.give(order.item)
        return process
    work = pickle.loads(path_of(worker, order.work).read_bytes())
    if order.common:
        work.in_folder(folder)
    with _guard:
        # Dask's workers are marked as processes that may have no children; theirs end with them.
        multiprocessing.current_process().daemon = False
        process = started(multiprocessing.get_context("spawn"), work, order.item)
    process.folder = folder if order.common else None
    return process


def _place(worker: Worker, folder: Path, order: Order, *, new: bool) -> None:
    """Put what is needed at its places: what is common to all items once for each process."""
    for place, content in order.common.items() if new else ():
        path = folder / place
        if not path.is_symlink():
            make_folder(path.parent)
            path.symlink_to(path_of(worker, content))
    for place, content in order.own.items():
        make_folder((folder / place).parent)
        shutil.copyfile(path_of(worker, content), folder / place)
    for content in set(order.own.values()):
        path_of(worker, content).unlink(missing_ok=True)


def _collected(folder: Path | None, order: Order) -> dict[str, bytes | None]:
    """What the item has made or changed in its process's folder, by their places; the folder is ready for another one
    then."""
    made: dict[str, bytes | None] = dict.fromkeys(order.own)
    if folder is None:
        return made
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        place, content = path.relative_to(folder).as_posix(), path.read_bytes()
        path.unlink()
        if digest(content) == order.own.get(place):
            del made[place]
        elif not path.name.endswith(ENDING):  # which a killed process left
            made[place] = content
    return made


def _waiting(run: str) -> Process | None:
    """An idle process of the run."""
    with _guard:
        while _idle[run]:
            process = _idle[run].pop().process
            if process.handle.is_alive():
                return process
            _end(process)
    return None


def _keep(run: str, process: Process) -> None:
    """Have it wait for the next unit, for a while."""
    with _guard:
        _idle[run].append(_Idle(process, time.monotonic() + SECONDS_IDLE))
        if not _timers:
            _look_after(SECONDS_IDLE)


def _end_idle() -> None:
    """End the processes that have waited too long, and look again when the next one has."""
    over: list[Process] = []
    with _guard:
        _timers.clear()
        now = time.monotonic()
        for run, waiting in list(_idle.items()):
            over += [idle.process for idle in waiting if idle.until <= now]
            _idle[run] = [idle for idle in waiting if idle.until > now]
        left = [idle.until for waiting in _idle.values() for idle in waiting]
        if left:
            _look_after(min(left) - now)
    for process in over:
        _end(process)


def _look_after(seconds: float) -> None:
    """One timer for all processes: a unit may take milliseconds, and each is followed by an idle process."""
    timer = threading.Timer(seconds, _end_idle)
    timer.daemon = True
    _timers.append(timer)
    timer.start()


def _end(process: Process) -> None:
    """End it, and remove its folder."""
    end([process])
    if process.folder is not None:
        shutil.rmtree(process.folder, ignore_errors=True)


def _reporting(worker: Worker, order: Order) -> Callable[[int, Event], None]:
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
        _tell(worker, order, event)

    return report


def _tell(worker: Worker, order: Order, event: Event) -> None:
    worker.log_event(order.topic, {"item": order.item, "event": pickle.dumps(event)})


def _wanted(worker: Worker, key: str) -> bool:
    """Whether the task is still to be done, and here. Dask has no public way to ask; `tests/scale/test_cluster.py`
    notices if this one changes."""
    task = worker.state.tasks.get(key)
    if key in _stopping:
        return False
    return worker.status == Status.running and task is not None and task.state in ("executing", "long-running")
