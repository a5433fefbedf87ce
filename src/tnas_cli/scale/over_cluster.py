"""The same work for several items on a Dask cluster.

Dask decides where a unit runs, and runs it again elsewhere if its worker is lost. Units save in the run's folder, which
all workers see, so a unit that runs again goes on from its last checkpoint. Where they do not see it, a unit ends after
each checkpoint: its files come back with its outcome, and it is submitted again with them. Here is what a run needs
beyond that: a unit that fails with its own error is tried again and then set aside, and the end of the client, of a
worker or of the scheduler loses nothing that was finished.
"""

from __future__ import annotations

import pickle
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

from tnas_cli.errors import DivergedError, TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Listener, Note, Workers
from tnas_cli.runs.interrupt import StoppedError, StopRequest, stop_request
from tnas_cli.scale.batch_queue import INSTALL, Submitted
from tnas_cli.scale.cluster import (
    SECONDS_BETWEEN_LOOKS,
    SECONDS_FOR_WORKERS,
    SECONDS_TO_CONNECT,
    check_workers,
    connected,
    no_workers,
    versions,
    wait_for_workers,
)
from tnas_cli.scale.contents import Asks, digest, lacking, push
from tnas_cli.scale.processes import Work

#: A unit that has failed so often with its own error is set aside.
TRIES = 3

SECONDS_BETWEEN_COUNTS = 2.0


def over_cluster(
    address: ClusterAddress,
    work: Work,
    items: Iterator[int],
    seen: Path,
    heard: Callable[[int, Event], None],
    listener: Listener,
    again: str | None = None,
) -> dict[int, TnasError]:
    """Do `work` for all `items` on a cluster whose workers see the file `seen`, or, if `work` is Sent, on one that
    shares no files with this process; returns the errors of those that were set aside. heard: called with an item and
    each of its events; listener: hears of the cluster itself. again: the command that goes on after the scheduler was
    lost; None: the same one.

    Raises TnasError for a cluster that cannot be used, that is lost, or whose workers differ from this process;
    StoppedError with everything saved; and the error of a unit that no second try can help.
    """
    with connected(address) as (client, jobs), stop_request() as stop:
        wait_for_workers(client, listener, stop, jobs)
        check_workers(client, seen if address.shared_files else None)
        return _Units(client, jobs, address, work, items, seen, heard, listener, stop, again).all_done()


@runtime_checkable
class Sent(Protocol):
    """Work for workers that see no files of this process. Places are relative paths in a process's own folder."""

    def common(self) -> Mapping[str, Path]:
        """The files that all items need, by their places."""

    def own(self, item: int) -> Mapping[str, Path]:
        """The files that an item goes on from, by their places."""

    def in_folder(self, folder: Path) -> None:
        """On a worker: work in this folder."""

    def receive(self, files: Mapping[str, bytes | None]) -> None:
        """Keep what an item has made or changed, and remove what it has removed (None)."""

    def __call__(self, item: int, listener: Listener) -> None:
        """As `Work`; raises StoppedError after a checkpoint."""


@dataclass
class _Units:
    """Units on their way through a cluster."""

    client: Any
    jobs: Submitted | None
    address: ClusterAddress
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
        from tnas_cli.scale.unit import Order

        payload = pickle.dumps(self.work)
        common = self.work.common() if self._sends(self.work) else {}
        hashes = _hashed(common)
        #: What every worker needs, by its hash.
        self.for_all = {digest(payload): payload} | {hashes[place]: common[place] for place in common}
        # Another run, or this one with something changed, must not meet these units or their processes.
        self.name = digest(str(self.seen.resolve()).encode() + payload)[:16]
        seen = (self.seen.resolve(), digest(self.seen)) if self.address.shared_files else None
        topic = f"tnas-{self.name}"
        self.order = partial(
            Order, self.name, topic=topic, work=digest(payload), versions=versions(), seen=seen, common=hashes
        )
        self.client.subscribe_topic(topic, self._event)
        try:
            while True:
                self._count()
                while len(self.under_way) < 2 * self.slots and (item := self._next()) is not None:
                    self._submit(item)
                if not self.under_way:
                    return self.aside
                if self.stop:
                    self._save()
                    raise StoppedError
                self._look()
        finally:
            self._cancel()
            with suppress(Exception):  # the scheduler may have gone
                self.client.unsubscribe_topic(topic)

    def _save(self) -> None:
        """Have units that send what they save do so now."""
        from tnas_cli.scale.unit import stop_units

        if self._sends(self.work):
            with suppress(OSError, TimeoutError):  # the scheduler may go just now
                self.client.run(stop_units, list(self.under_way), on_error="ignore")
            began = time.monotonic()
            while self.under_way and time.monotonic() - began < SECONDS_TO_CONNECT:
                self._look()

    def _next(self) -> int | None:
        return self.again.pop(0) if self.again else next(self.items, None)

    def _submit(self, item: int) -> None:
        from tnas_cli.scale.unit import do_unit

        times = self.begun.get(item, 0)
        key, self.begun[item] = f"tnas-{self.name}-{item}-{times}", times + 1
        own = _hashed(self._own(item))
        where = {}
        if self.unfit:
            self.allowed[key] = self.living
            where = {"workers": sorted(self.living)}
        order = self.order(item=item, key=key, own=own)
        future = self.client.submit(do_unit, order, key=key, **where)
        self.under_way[key] = (item, future)
        future.add_done_callback(lambda ended: self.arrived.put(ended.key))

    def _sends(self, work: Work) -> TypeGuard[Sent]:
        """Whether the workers see no files of this process."""
        return not self.address.shared_files

    def _own(self, item: int) -> Mapping[str, Path]:
        return self.work.own(item) if self._sends(self.work) else {}

    def _push(self, item: int, asks: Asks) -> None:
        """Send a worker what it lacks; and what all need to all of them, since they will ask next."""
        own = {digest(path): path for path in self._own(item).values()}
        for content in asks.digests:
            source = self.for_all.get(content, own.get(content))
            if source is None:  # asked for by a worker that is lost, and whose item has come further elsewhere
                continue
            workers = {asks.worker} | (self.living if content in self.for_all else set())
            found = self.client.run(lacking, [content], workers=list(workers), on_error="ignore")
            if needing := [worker for worker, lacks in found.items() if lacks]:
                push(self.client, source, content, needing)

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
            elif isinstance(found[1], Asks):
                self._push(found[0], found[1])
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
        if self._sends(self.work):
            self.work.receive(outcome.files)
        if outcome.how == STOPPED:  # its worker ends, or it has sent a checkpoint
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
            raise no_workers(self.address.address)
        elif self.slots:
            self.listener(Note("all workers are gone; waiting for others"))
            self.slots = 0

    def _lost(self) -> TnasError:
        again = self.again_by or "call the same command"
        return TnasError(
            f"the Dask scheduler at {self.address.address} no longer answers; everything that was finished is kept.",
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


def _hashed(files: Mapping[str, Path]) -> dict[str, str]:
    """The hashes of files by their places."""
    return {place: digest(path) for place, path in files.items()}


def _busy(name: str) -> bool:
    from tnas_cli.scale.unit import busy

    return busy(name)
