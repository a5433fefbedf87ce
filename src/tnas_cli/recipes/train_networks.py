"""All networks of a run of `tnas train-eval`: one after another or side by side, for as long as there is time."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tnas_cli.errors import DataError, TnasError
from tnas_cli.plain import as_written
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.train_network import KIND, STAGE, finished, result_file, train_network
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import read_json
from tnas_cli.runs.life import Life
from tnas_cli.runs.lock import NAME as LOCK
from tnas_cli.runs.lock import BusyError, one_process
from tnas_cli.runs.paths import from_environment
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.cluster import over_cluster
from tnas_cli.scale.processes import side_by_side

#: How long a lost worker's process may still hold a network.
SECONDS_TO_LEAVE, SECONDS_BETWEEN_LOOKS = 60.0, 1.0

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratch, FromScratchWork


@dataclass(frozen=True)
class Reached:
    """The networks that are finished, in the order of the work, and the errors of those that were set aside."""

    trained: Sequence[Trained]
    aside: Mapping[str, TnasError]


def train_networks(work: FromScratchWork, life: Life) -> Reached:
    """Train and test the networks that are not finished.

    With `settings.hours` and several networks, none is started that would not end in time if it took as long as the
    longest so far; the first is always trained. Raises StoppedError with everything saved.
    """
    files = [result_file(work, life.run, position) for position in range(len(work.chosen))]
    several = work.machine.cluster is not None or work.count > 1
    bar, positions = _Bar(life, len(files), sum(file.is_file() for file in files), several), _positions(work, files)
    if life.resumed and work.machine.cluster is None:  # there, each network's worker does so when it holds its folder
        _rewind(work, life, files)
    aside: Mapping[int, TnasError] = {}
    if work.machine.cluster is not None:
        on_workers = _Worker(work, life.run.path.resolve(), elsewhere=True)
        aside = over_cluster(work.machine.cluster, on_workers, positions, on_workers.run, bar.heard, bar.cluster)
    elif work.count > 1:
        side_by_side(_Worker(work, life.run.path), positions, work.count, bar.heard)
    else:
        for position in positions:
            train_network(work, life.heard_by(bar.at(position)), position)
    reached = [finished(work, life.run, position) for position in range(len(work.chosen))]
    trained = [entry for entry in reached if entry is not None]
    if not trained:
        raise next(iter(aside.values()))
    if len(trained) < len(reached):
        why = "the others were set aside" if aside else f"{work.settings.hours:g} hours leave no time for another one"
        life.listener(events.Note(f"trained {len(trained)} of {len(reached)} genotypes: {why}"))
    return Reached(trained, {work.chosen[position][0].name: error for position, error in sorted(aside.items())})


def _rewind(work: FromScratchWork, life: Life, files: Sequence[Path]) -> None:
    """The log forgets what the checkpoints of unfinished networks do not know, before any process adds to it."""
    for position, file in enumerate(files):
        if not file.is_file():
            _rewind_one(work, life, position)


def _rewind_one(work: FromScratchWork, life: Life, position: int) -> None:
    last = result_file(work, life.run, position).with_name("last.pt")
    known = checkpoint.load(last, KIND).about["progress"] if last.is_file() else {}
    validated = (entry["tasks"] for entry in known.get("history", ()))
    life.rewind(work.chosen[position][0].name, known.get("tasks_done", 0), validated)


def _positions(work: FromScratchWork, files: Sequence[Path]) -> Iterator[int]:
    """Which networks are left to train, for as long as there is time."""
    limit = work.settings.hours * 3600 if work.settings.hours and len(work.chosen) > 1 else math.inf
    left = [position for position, file in enumerate(files) if not file.is_file()]
    before, begin = sum(map(_seconds, files)), time.monotonic()
    for position in left:
        longest = max(map(_seconds, files)) * work.count
        if longest and before + time.monotonic() - begin + longest > limit:
            return
        yield position


def _seconds(file: Path) -> float:
    """The share of the run's time that a finished network took; 0 for others."""
    if not file.is_file():
        return 0.0
    with as_written(file):
        return float(read_json(file).get("seconds", 0.0))


class _Bar:
    """One bar over all networks, training and test tasks alike. Where several are trained at a time, it has the speed
    of all of them, rather than the loss of the one that was heard last."""

    def __init__(self, life: Life, networks: int, finished: int, several: bool) -> None:
        self.life, self.networks, self.finished, self.several = life, networks, finished, several
        self.done: dict[int, int] = {}
        self.workers: dict[str, float] = {}
        #: When the first progress was heard, and what was done by then.
        self.first: tuple[float, int] | None = None

    def at(self, position: int) -> events.Listener:
        """The listener of one network, whose own bar becomes a part of this one."""
        return lambda event: self.heard(position, event)

    def heard(self, position: int, event: events.Event) -> None:
        """Pass on what one network reports."""
        if isinstance(event, events.Progress) and event.stage == STAGE:
            self.done[position] = event.done
            done = self.finished * event.total + sum(self.done.values())
            values = self._of_all(done, event.total) if self.several else event.values
            event = events.Progress(event.stage, done, event.total * self.networks, event.unit, values)
        self.life.pass_on(event)

    def cluster(self, event: events.Event) -> None:
        """Pass on what is said of the cluster itself."""
        if isinstance(event, events.Workers):
            self.workers = {"workers": event.count}
        else:
            self.life.listener(event)

    def _of_all(self, done: int, each: int) -> Mapping[str, float]:
        now = time.monotonic()
        self.first = self.first or (now, done)
        networks = self.finished + sum(tasks >= each for tasks in self.done.values())
        seconds, tasks = now - self.first[0], done - self.first[1]
        return {**self.workers, "networks done": networks} | ({"tasks/s": tasks / seconds} if seconds else {})


@contextmanager
def _held(folder: Path, life: Life) -> Iterator[None]:
    """Hold a network's folder, for which a lost worker's process may need some seconds to save and leave it."""
    began = time.monotonic()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(one_process(folder / LOCK))
                break
            except BusyError as busy:
                if time.monotonic() - began > SECONDS_TO_LEAVE:
                    raise TnasError(
                        f"{busy.holder} still works on {folder}.",
                        hint=busy.hint,
                    ) from None
            life.listener(events.Note(f"waiting for {folder.name}"))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        yield


class _Worker:
    """Trains single networks of a run in another process, with its share of the threads and the engine of this one.

    elsewhere: it may be on another machine, where a lost process may still train the same network.
    """

    def __init__(self, work: FromScratchWork, run: Path, *, elsewhere: bool = False) -> None:
        self.recipe: FromScratch = replace(work.recipe, settings=work.settings)
        threads = 1 if elsewhere else max(1, torch.get_num_threads() // work.count)
        where = work.machine.cache_root or from_environment("TNAS_CACHE")
        self.machine: Machine = replace(
            work.machine,
            threads=threads,
            engine=work.engine.name,
            offline=True,
            cache_root=where and where.resolve(),
            cluster=None,
        )
        self.run, self.count, self.elsewhere, self.fingerprint = run, work.count, elsewhere, work.fingerprint
        self.work: FromScratchWork | None = None

    def __call__(self, position: int, listener: Callable[[events.Event], None]) -> None:
        if self.work is None:
            alone = replace(self.recipe, side_by_side=1)
            work = replace(alone.prepare(self.machine, events.ignore), count=self.count)
            self._check_images(work)
            self.work = work
        life = Life(RunDirectory.open(self.run), listener)
        if not self.elsewhere:
            train_network(self.work, life, position)
            return
        folder = result_file(self.work, life.run, position).parent
        began_before = folder.is_dir()
        folder.mkdir(exist_ok=True)
        with _held(folder, life):
            if not result_file(self.work, life.run, position).is_file():
                if began_before:
                    _rewind_one(self.work, life, position)
                train_network(self.work, life, position)

    def _check_images(self, work: FromScratchWork) -> None:
        if work.fingerprint != self.fingerprint:
            raise DataError(
                f"{work.data_path} on {platform.node()} does not hold the images of this run.",
                hint="copy the prepared data set to all machines, or put it where all of them find it",
            )
