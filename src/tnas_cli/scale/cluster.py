"""The same work for several items on a Dask cluster, which somebody else started, or whose workers are jobs of a queue.

Dask decides where a unit runs, and runs it again elsewhere if its worker is lost. Units save in the run's folder, which
all workers see, so a unit that runs again goes on from its last checkpoint. Here is what a run needs beyond that: the
workers are checked before work starts, a unit that fails with its own error is tried again and then set aside, and the
end of the client, of a worker or of the scheduler loses nothing that was finished.
"""

from __future__ import annotations

import hashlib
import pickle
import platform
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from tnas_cli.errors import DivergedError, SettingsError, TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Listener, Note, Workers
from tnas_cli.runs.interrupt import StoppedError, StopRequest, stop_request
from tnas_cli.scale.batch_queue import EXAMPLE, INSTALL, Submitted, jobs_of, require_jobqueue, submitted
from tnas_cli.scale.processes import Work

#: A unit that has failed so often with its own error is set aside.
TRIES = 3

#: Packages whose versions must be the same everywhere.
PACKAGES = ("tnas-cli", "torch", "numba", "numpy")

SECONDS_TO_CONNECT = 30
SECONDS_FOR_WORKERS = 300
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_COUNTS = 2.0


def require_dask() -> Any:
    """The module `distributed`; raises SettingsError where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise SettingsError("--cluster needs the package distributed.", hint=INSTALL) from error
    return distributed


def over_cluster(
    address: ClusterAddress,
    work: Work,
    items: Iterator[int],
    seen: Path,
    heard: Callable[[int, Event], None],
    listener: Listener,
    again: str | None = None,
) -> dict[int, TnasError]:
    """Do `work` for all `items` on a cluster whose workers see the file `seen`; returns the errors of those that were
    set aside. heard: called with an item and each of its events; listener: hears of the cluster itself. again: the
    command that goes on after the scheduler was lost; None: the same one.

    Raises TnasError for a cluster that cannot be used, that is lost, or whose workers differ from this process;
    StoppedError with everything saved; and the error of a unit that no second try can help.
    """
    with connected(address) as (client, jobs), stop_request() as stop:
        wait_for_workers(client, listener, stop, jobs)
        check_workers(client, seen)
        return _Units(client, jobs, address.address, work, items, seen, heard, listener, stop, again).all_done()


def check_address(address: ClusterAddress) -> None:
    """Raises SettingsError for a cluster that cannot be asked: for want of a package, or of a file."""
    require_dask()
    jobs = jobs_of(address.address)
    if jobs is not None:
        require_jobqueue(jobs.queue)
    elif _is_file(address) and not Path(address.address).is_file():
        raise SettingsError(
            f"there is no scheduler file {address.address}.",
            hint=f"name the FILE of: dask scheduler --scheduler-file FILE; or tcp://HOST:PORT; or {EXAMPLE}",
        )
    for file in (address.tls_ca, address.tls_cert, address.tls_key):
        if file is not None and not file.is_file():
            raise SettingsError(f"there is no file {file}.", hint="--tls-ca, --tls-cert and --tls-key name PEM files")


def _is_file(address: ClusterAddress) -> bool:
    return "://" not in address.address


@contextmanager
def connected(address: ClusterAddress) -> Iterator[tuple[Any, Submitted | None]]:
    """A client of the scheduler at an address; or of one in this process, and the jobs that it submitted. Raises
    TnasError if there is none."""
    distributed, asked = require_dask(), jobs_of(address.address)
    security = _security(address, ("client",) if asked is None else ("client", "scheduler", "worker"))
    with ExitStack() as stack:
        jobs = None
        if asked is not None:
            jobs = stack.enter_context(submitted(asked, security))
            where = {"address": jobs.address}
        else:
            where = {"scheduler_file" if _is_file(address) else "address": address.address}
        try:
            client = distributed.Client(**where, security=security, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise TnasError(
                f"no Dask scheduler answers at {address.address} ({str(error)[:200] or type(error).__name__}).",
                hint="start one with: dask scheduler; and workers with: dask worker ADDRESS --nthreads 1 --nworkers N",
            ) from error
        try:
            yield client, jobs
        finally:
            with suppress(Exception):  # the scheduler may have gone
                client.close(timeout=5)


def _security(address: ClusterAddress, roles: Sequence[str]) -> Any:
    """Dask's description of the certificates, for each role that this process gives to somebody; None where there are
    none."""
    if address.tls_ca is None and address.tls_cert is None and address.tls_key is None:
        return None
    return require_dask().Security(
        require_encryption=True,
        tls_ca_file=_text(address.tls_ca),
        **{f"tls_{role}_cert": _text(address.tls_cert) for role in roles},
        **{f"tls_{role}_key": _text(address.tls_key) for role in roles},
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def wait_for_workers(client: Any, listener: Listener, stop: StopRequest, jobs: Submitted | None = None) -> None:
    """Until there is a worker; raises TnasError if none comes, and StoppedError. Jobs of a queue may take any time."""
    listener(Note(f"Dask cluster at {client.scheduler.address}; dashboard: {client.dashboard_link}"))
    if jobs is not None:
        listener(Note(f"waiting for the first of {jobs.asked.count} job(s) of {jobs.asked.queue}"))
    began = time.monotonic()
    while not client.nthreads():
        if stop:
            raise StoppedError
        if jobs is not None:
            jobs.keep_up()
        elif time.monotonic() - began > SECONDS_FOR_WORKERS:
            raise no_workers(client.scheduler.address)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    threads = client.nthreads()
    listener(Note(f"{len(threads)} worker(s), {sum(threads.values())} unit(s) at a time"))


def no_workers(address: str) -> TnasError:
    """What to do without any."""
    return TnasError(
        f"the Dask cluster at {address} has no workers.",
        hint="start some with: dask worker ADDRESS --nthreads 1 --nworkers N",
    )


def versions() -> dict[str, str]:
    """Of this process: what a worker must have, too."""
    return {package: metadata.version(package) for package in PACKAGES} | {"Python": platform.python_version()}


def check_workers(client: Any, seen: Path) -> None:
    """Raises TnasError that names a worker with other versions than this process, or one that does not see the file
    `seen`."""
    found: dict[str, Mapping[str, Any]] = {
        package: client.run(metadata.version, package, on_error="return") for package in PACKAGES
    }
    found["Python"] = client.run(platform.python_version, on_error="return")
    ours = versions()
    for package, theirs in found.items():
        for worker, version in theirs.items():
            if version != ours[package]:
                raise other_version(worker, package, version if isinstance(version, str) else None, ours[package])
    mine = digest(seen)
    for worker, theirs in client.run(digest, seen, on_error="return").items():
        if theirs != mine:
            raise does_not_see(worker, seen)


def does_not_see(worker: str, file: Path) -> TnasError:
    """A worker lacks a file, or has another one of that name."""
    return TnasError(
        f"worker {worker} does not see {file}.",
        hint="put the runs (--runs), the data (--cache-dir) and what you name where all workers find them",
    )


def digest(file: Path) -> str:
    """Of what it holds."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def other_version(worker: str, package: str, theirs: str | None, ours: str) -> TnasError:
    """A worker cannot do what this process would do."""
    has = f"no {package}" if theirs is None else f"{package} {theirs}"
    return TnasError(
        f"worker {worker} has {has}, but this process has {ours}.",
        hint="install the same versions everywhere; Dask's worker must run in the environment of tnas",
    )


@dataclass
class _Units:
    """Units on their way through a cluster."""

    client: Any
    jobs: Submitted | None
    address: str
    work: Work
    items: Iterator[int]
    seen: Path
    heard: Callable[[int, Event], None]
    listener: Listener
    stop: StopRequest
    again_by: str | None
    tries: dict[int, int] = field(default_factory=dict)
    aside: dict[int, TnasError] = field(default_factory=dict)
    again: list[int] = field(default_factory=list)
    under_way: dict[str, tuple[int, Any]] = field(default_factory=dict)
    #: What arrived: an event of an item, or the key of a future that has ended.
    arrived: queue.Queue[tuple[int, Event] | str] = field(default_factory=queue.Queue)
    #: When the threads of workers were counted; when there were any; how many.
    counted: float = 0.0
    manned: float = 0.0
    slots: int = 1
    said: int = 0
    #: Workers that came late and cannot do the work, with the reason; and those that may do each unit, where some may
    #: not.
    unfit: dict[str, TnasError] = field(default_factory=dict)
    allowed: dict[str, frozenset[str]] = field(default_factory=dict)
    living: frozenset[str] = frozenset()
    #: How often each item was submitted.
    begun: dict[int, int] = field(default_factory=dict)

    def all_done(self) -> dict[int, TnasError]:
        """Keep twice as many units under way as can run, until none is left."""
        self.payload, self.versions = pickle.dumps(self.work), versions()
        self.seen_as = (self.seen.resolve(), digest(self.seen))
        # Another run, or this one with something changed, must not meet these units or their processes.
        self.name = hashlib.sha256(str(self.seen.resolve()).encode() + self.payload).hexdigest()[:16]
        topic = f"tnas-{self.name}"
        self.client.subscribe_topic(topic, self._event)
        try:
            while True:
                self._count()
                while len(self.under_way) < 2 * self.slots and (item := self._next()) is not None:
                    self._submit(item, topic)
                if not self.under_way:
                    return self.aside
                if self.stop:
                    raise StoppedError
                self._look()
        finally:
            self._cancel()
            with suppress(Exception):  # the scheduler may have gone
                self.client.unsubscribe_topic(topic)

    def _next(self) -> int | None:
        return self.again.pop(0) if self.again else next(self.items, None)

    def _submit(self, item: int, topic: str) -> None:
        from tnas_cli.scale.unit import do_unit

        times = self.begun.get(item, 0)
        key, self.begun[item] = f"tnas-{self.name}-{item}-{times}", times + 1
        known = (self.versions, self.seen_as)
        where = {}
        if self.unfit:
            self.allowed[key] = self.living
            where = {"workers": sorted(self.living)}
        future = self.client.submit(do_unit, self.payload, self.name, item, key, topic, *known, key=key, **where)
        self.under_way[key] = (item, future)
        future.add_done_callback(lambda ended: self.arrived.put(ended.key))

    def _event(self, message: tuple[float, Mapping[str, Any]]) -> None:
        """In Dask's thread."""
        _, told = message
        self.arrived.put((int(told["item"]), pickle.loads(told["event"])))

    def _look(self) -> None:
        with suppress(queue.Empty):
            found = self.arrived.get(timeout=SECONDS_BETWEEN_LOOKS)
            if isinstance(found, str):
                if found in self.under_way:  # and was not given to others in the meantime
                    self._ended(*self.under_way.pop(found))
            else:
                self.heard(*found)

    def _ended(self, item: int, future: Any) -> None:
        from tnas_cli.scale.unit import DONE, REFUSED, STOPPED

        if future.status in ("cancelled", "lost"):
            raise self._lost()
        if future.status == "error":
            error = future.exception()
            if isinstance(error, ImportError):  # of a worker that came after the others were checked
                raise TnasError(f"a worker has no tnas, or another one ({error}).", hint=INSTALL)
            self._failed(item, TnasError(f"{type(error).__name__}: {error}", hint="Dask's workers may say more"))
            return
        try:
            outcome = future.result()
        except OSError as error:
            raise self._lost() from error
        if outcome.how == STOPPED:  # its worker ends
            self.again.append(item)
        elif outcome.how == REFUSED:
            self._unfit(item, outcome.worker, outcome.error)
        elif outcome.how != DONE:
            self._failed(item, outcome.error)
        for event in outcome.made:
            self.heard(item, event)

    def _unfit(self, item: int, worker: str, error: TnasError) -> None:
        """Do without a worker that came late and cannot do the work; raises its error if there is no other one."""
        if worker not in self.unfit:
            self.unfit[worker] = error
            self.listener(Note(f"not used: {error.message}"))
            self.counted = 0.0
            self._count()
        if not self.living:
            raise error
        self.again.append(item)

    def _stranded(self) -> None:
        """Submit once more the units whose workers have all gone while others have come."""
        for key, allowed in list(self.allowed.items()):
            if key not in self.under_way:
                del self.allowed[key]
            elif self.living and not allowed & self.living:
                item, future = self.under_way.pop(key)
                future.cancel()
                self.again.append(item)

    def _failed(self, item: int, error: TnasError) -> None:
        if not (isinstance(error, DivergedError) or type(error) is TnasError):
            raise error  # of the settings, the data, or the disk: the same for all units
        self.tries[item] = self.tries.get(item, 0) + 1
        if self.tries[item] < TRIES:
            self.again.append(item)
            return
        self.aside[item] = error
        self.listener(Note(f"unit {item + 1} is set aside after {TRIES} tries: {error.message}"))

    def _count(self) -> None:
        """How many units can run; raises TnasError if the scheduler has gone."""
        if time.monotonic() - self.counted < SECONDS_BETWEEN_COUNTS:
            return
        self.counted = time.monotonic()
        if self.client.status != "running":
            raise self._lost()
        try:
            found = {name: n for name, n in self.client.nthreads().items() if name not in self.unfit}
        except (OSError, TimeoutError) as error:
            raise self._lost() from error
        threads, self.living = sum(found.values()), frozenset(found)
        self._stranded()
        if self.jobs is not None:
            self.jobs.keep_up()
        if threads != self.said:
            self.said = threads
            self.listener(Workers(threads))
        if threads:
            self.slots, self.manned = threads, self.counted
        elif self.jobs is None and self.counted - self.manned > SECONDS_FOR_WORKERS:
            raise no_workers(self.address)
        elif self.slots:
            self.listener(Note("all workers are gone; waiting for others"))
            self.slots = 0

    def _lost(self) -> TnasError:
        again = self.again_by or "call the same command"
        return TnasError(
            f"the Dask scheduler at {self.address} no longer answers; everything that was finished is kept.",
            hint=again if self.jobs is not None else f"start it and its workers again, then: {again}",
        )

    def _cancel(self) -> None:
        """Have the units under way save and end, and wait for them as long as that takes."""
        if not self.under_way or self.client.status != "running":
            return  # workers that have lost their scheduler save by themselves
        futures = [future for _, future in self.under_way.values()]
        with suppress(Exception):  # the scheduler may go just now
            self.client.cancel(futures)
            waiting = partial(self.client.run, _busy, self.name, on_error="ignore")
            began = time.monotonic()
            while any(waiting().values()) and time.monotonic() - began < SECONDS_TO_CONNECT:
                time.sleep(SECONDS_BETWEEN_LOOKS)


def _busy(name: str) -> bool:
    from tnas_cli.scale.unit import busy

    return busy(name)
