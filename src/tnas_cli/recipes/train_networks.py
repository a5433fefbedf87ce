"""All networks of a run of `tnas train-eval`: one after another or side by side, for as long as there is time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tnas_cli.plain import as_written
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.train_network import KIND, STAGE, finished, result_file, train_network
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import read_json
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.processes import side_by_side

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratch, FromScratchWork


def train_networks(work: FromScratchWork, life: Life) -> list[Trained]:
    """Train and test the networks that are not finished; returns all finished ones, in the order of the work.

    With `settings.hours` and several networks, none is started that would not end in time if it took as long as the
    longest so far; the first is always trained. Raises StoppedError with everything saved.
    """
    files = [result_file(work, life.run, position) for position in range(len(work.chosen))]
    bar, positions = _Bar(life, len(files), sum(file.is_file() for file in files)), _positions(work, files)
    if life.resumed:
        _rewind(work, life, files)
    if work.count > 1:
        side_by_side(_Worker(work, life.run.path), positions, work.count, bar.heard)
    else:
        for position in positions:
            train_network(work, life.heard_by(bar.at(position)), position)
    reached = [finished(work, life.run, position) for position in range(len(work.chosen))]
    trained = [entry for entry in reached if entry is not None]
    if len(trained) < len(reached):
        life.listener(
            events.Note(
                f"trained {len(trained)} of {len(reached)} genotypes: {work.settings.hours:g} hours leave no time for "
                "another one"
            )
        )
    return trained


def _rewind(work: FromScratchWork, life: Life, files: Sequence[Path]) -> None:
    """The log forgets what the checkpoints of unfinished networks do not know, before any process adds to it."""
    for (trainable, _), file in zip(work.chosen, files, strict=True):
        if file.is_file():
            continue
        last = file.with_name("last.pt")
        known = checkpoint.load(last, KIND).about["progress"] if last.is_file() else {}
        life.rewind(trainable.name, known.get("tasks_done", 0), (entry["tasks"] for entry in known.get("history", ())))


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
    """One bar over all networks, training and test tasks alike."""

    def __init__(self, life: Life, networks: int, finished: int) -> None:
        self.life, self.networks, self.finished = life, networks, finished
        self.done: dict[int, int] = {}

    def at(self, position: int) -> events.Listener:
        """The listener of one network, whose own bar becomes a part of this one."""
        return lambda event: self.heard(position, event)

    def heard(self, position: int, event: events.Event) -> None:
        """Pass on what one network reports."""
        if isinstance(event, events.Progress) and event.stage == STAGE:
            self.done[position] = event.done
            done = self.finished * event.total + sum(self.done.values())
            event = events.Progress(event.stage, done, event.total * self.networks, event.unit, event.values)
        self.life.pass_on(event)


class _Worker:
    """Trains single networks of a run in another process, with its share of the threads and the engine of this one."""

    def __init__(self, work: FromScratchWork, run: Path) -> None:
        self.recipe: FromScratch = work.recipe
        threads = max(1, torch.get_num_threads() // work.count)
        self.machine: Machine = replace(work.machine, threads=threads, engine=work.engine.name, offline=True)
        self.run, self.count = run, work.count
        self.work: FromScratchWork | None = None

    def __call__(self, position: int, listener: Callable[[events.Event], None]) -> None:
        if self.work is None:
            alone = replace(self.recipe, side_by_side=1)
            self.work = replace(alone.prepare(self.machine, events.ignore), count=self.count)
        train_network(self.work, Life(RunDirectory.open(self.run), listener), position)
