"""Units of a run: pieces of its work that are alike, do not need each other, and leave a file each.

A recipe says what its units are. They are done here in the form that the machine asks for: one after another, side by
side, or on a cluster, whose workers prepare the same recipe and do single units of it in the same folder.
"""

from __future__ import annotations

import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from tnas_cli.errors import DataError, TnasError
from tnas_cli.recipes.sent import Sent
from tnas_cli.recipes.work import DataWork
from tnas_cli.records.parts import SetAside
from tnas_cli.runs import events
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.device import Machine
from tnas_cli.runs.life import Life
from tnas_cli.runs.lock import NAME as LOCK
from tnas_cli.runs.lock import BusyError, one_process
from tnas_cli.runs.paths import from_environment
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.run_file import NAME as RUN_FILE
from tnas_cli.scale import workers
from tnas_cli.scale.processes import Work
from tnas_cli.spelling import command

#: How long a lost worker's process may still hold a unit.
SECONDS_TO_LEAVE, SECONDS_BETWEEN_LOOKS = 60.0, 1.0


class Units(ABC):
    """Units of a run, numbered from 0; `unit` is their word on the screen."""

    unit = "networks"

    @abstractmethod
    def __len__(self) -> int:
        """How many there are."""

    @abstractmethod
    def file(self, run: RunDirectory, item: int) -> Path:
        """What a unit leaves when it is finished."""

    @abstractmethod
    def do(self, life: Life, item: int) -> None:
        """Do a unit, or go on where it stopped. Raises StoppedError with everything saved."""

    def reads(self, run: RunDirectory) -> Iterable[Path]:
        """What earlier stages left in the run's folder for all units."""
        return ()

    def left(self, run: RunDirectory) -> list[int]:
        """Those that are not finished."""
        return [item for item in range(len(self)) if not self.file(run, item).is_file()]


class UnitsWork(DataWork):
    """Work that consists of units, in one stage or several; units of a stage may read what earlier stages have left."""

    machine: Machine

    @property
    def reads(self) -> tuple[Path, ...]:
        """The files that it reads besides those of its run: its data set first."""
        return (self.data_path,)

    @property
    def at_a_time(self) -> int:
        """How many units are done at a time on this machine."""
        return 1

    @abstractmethod
    def units(self, stage: str, run: RunDirectory) -> Units:
        """The units of a stage."""

    def after(self, aside: Mapping[int, TnasError]) -> UnitsWork:
        """The same work, whose units were done before, except those of these errors: it has only its result to make."""
        raise NotImplementedError(f"{type(self).__name__} has several stages")

    @abstractmethod
    def elsewhere(self) -> Recipe:
        """The recipe that another process prepares, to do units of this work in the same folder."""


def do_all(work: UnitsWork, stage: str, life: Life, items: Iterator[int] | None = None) -> dict[int, TnasError]:
    """Do the units of a stage that are not finished, or only those of `items`; returns the errors of those that were
    set aside."""
    units = work.units(stage, life.run)
    bar = Bar(life, stage, units, shared=work.machine.cluster is not None or work.at_a_time > 1)
    items = iter(units.left(life.run)) if items is None else items
    return form_of(work, stage, life)(items, bar.heard, bar.said)


def set_aside(errors: Mapping[str, TnasError]) -> tuple[SetAside, ...] | None:
    """What a result says of units without one, by their names; None where there are none."""
    return tuple(SetAside(name=name, error=error.message) for name, error in errors.items()) or None


def form_of(work: UnitsWork, stage: str, life: Life) -> workers.Form:
    """Where the units of a stage are done."""
    if work.machine.cluster is not None:
        return on_cluster(apart(work, stage, life.run), work.machine.cluster, life.run.path.resolve())
    if work.at_a_time > 1:
        return workers.in_processes(Elsewhere(work, stage, life.run.path), work.at_a_time)
    units = work.units(stage, life.run)
    return workers.here(lambda item, listener: units.do(life.heard_by(listener), item))


def apart(work: UnitsWork, stage: str, run: RunDirectory) -> Elsewhere | Sent:
    """Does single units on the workers of the work's cluster."""
    assert work.machine.cluster is not None
    elsewhere = Elsewhere(work, stage, run.path.resolve(), apart=True)
    return elsewhere if work.machine.cluster.shared_files else Sent(elsewhere, work, run)


def on_cluster(work: Work, cluster: ClusterAddress, *runs: Path) -> workers.Form:
    """Units of one or several runs on a cluster whose workers see the folder of the first."""
    how = ["--cluster", cluster.address, *([] if cluster.shared_files else ["--no-shared-files"])]
    again = "; ".join(command("tnas", "resume", run, *how) for run in runs)
    return workers.on_cluster(work, cluster, runs[0] / RUN_FILE, again)


class Elsewhere:
    """Does single units of a run in another process, with the engine of this one and its share of the threads.

    apart: it may be on another machine, where a lost process may still work on the same unit.
    """

    def __init__(self, work: UnitsWork, stage: str, run: Path, *, apart: bool = False) -> None:
        self.recipe = work.elsewhere()
        where = work.machine.cache_root or from_environment("TNAS_CACHE")
        self.machine = replace(
            work.machine,
            threads=1 if apart else max(1, torch.get_num_threads() // work.at_a_time),
            engine=work.engine_name,
            offline=True,
            cache_root=where and where.resolve(),
            cluster=None,
        )
        self.on_gpu = self.machine.device in ("auto", "cuda")
        self.stage, self.run, self.apart, self.fingerprint = stage, run, apart, work.fingerprint
        self.units: Units | None = None

    def __call__(self, item: int, listener: Callable[[events.Event], None]) -> None:
        run = RunDirectory.open(self.run)
        units, life = self.prepared(run), Life(run, listener)
        if not self.apart:
            units.do(life, item)
            return
        file = units.file(run, item)
        file.parent.mkdir(parents=True, exist_ok=True)
        with _held(file, life):
            if not file.is_file():
                units.do(life, item)

    def prepared(self, run: RunDirectory) -> Units:
        """The units, once the data are open and the engine is chosen; the folder of the run is `run` here."""
        if self.units is None:
            work = self.recipe.prepare(self.machine, events.ignore)
            assert isinstance(work, UnitsWork)
            self._check_images(work)
            self.units = work.units(self.stage, run)
        return self.units

    def let_go(self) -> None:
        """Give up the data and the network of this run."""
        self.units = None

    def _check_images(self, work: UnitsWork) -> None:
        if work.fingerprint != self.fingerprint:
            raise DataError(
                f"{work.data_path} on {platform.node()} does not hold the images of this run.",
                hint="copy the prepared data set to all machines, or put it where all of them find it",
            )


@contextmanager
def _held(file: Path, life: Life) -> Iterator[None]:
    """Hold the unit that leaves a file, for which a lost worker's process may need some seconds to save and end."""
    began, unit = time.monotonic(), file.relative_to(life.run.path)
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(one_process(file.with_name(f"{file.stem}{LOCK}")))
                break
            except BusyError as busy:
                working = f"{busy.holder}, which still works on {unit}"
                if time.monotonic() - began > SECONDS_TO_LEAVE:
                    raise TnasError(f"waited in vain for {working} of {life.run.path}.", hint=busy.hint) from None
            life.listener(events.Note(f"waiting for {working}"))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        yield


class Bar:
    """One bar, named `stage`, over all units, each of which has the same length. Where several are done at a time
    (`shared`), it has the speed of all of them, rather than the loss of the one that was heard last. Where they are
    not, a unit whose own bar has another name keeps it."""

    def __init__(self, life: Life, stage: str, units: Units, *, shared: bool) -> None:
        self.life, self.stage, self.shared, self.unit = life, stage, shared, units.unit
        self.units, self.finished = len(units), len(units) - len(units.left(life.run))
        self.done: dict[int, int] = {}
        self.workers: dict[str, float] = {}
        #: When the first progress was heard, and what was done by then.
        self.first: tuple[float, int] | None = None

    def heard(self, item: int, event: events.Event) -> None:
        """Pass on what one unit reports."""
        if isinstance(event, events.Progress) and (self.shared or event.stage == self.stage):
            self.done[item] = event.done
            done = self.finished * event.total + sum(self.done.values())
            values = self._of_all(done, event) if self.shared else event.values
            event = events.Progress(self.stage, done, event.total * self.units, event.unit, values)
        self.life.pass_on(event)

    def said(self, event: events.Event) -> None:
        """Pass on what is said of the place where units are done."""
        if isinstance(event, events.Workers):
            self.workers = {"workers": event.count}
        else:
            self.life.listener(event)

    def _of_all(self, done: int, event: events.Progress) -> Mapping[str, float]:
        now = time.monotonic()
        self.first = self.first or (now, done)
        finished = self.finished + sum(each >= event.total for each in self.done.values())
        seconds, since = now - self.first[0], done - self.first[1]
        speed = {f"{event.unit}/s": since / seconds} if seconds else {}
        return {**self.workers, f"{self.unit} done": finished} | speed
