"""All networks of a run of `tnas train-eval`: one after another or side by side, for as long as there is time."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.train_job import Job, read
from tnas_cli.recipes.train_network import STAGE, finished, result_file, train_network
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.processes import side_by_side


def train_networks(job: Job, run: RunDirectory, resume_command: str) -> list[Trained]:
    """Train and test what is not finished yet; returns every network that is, in the order of the job.

    With `settings.hours` and several networks none is begun that would not end in time if it took as long as the
    longest so far; the first is always trained. Raises Interrupted, or KeyboardInterrupt, with everything saved.
    """
    files = [result_file(job, run, position) for position in range(len(job.chosen))]
    bar, positions = _Bar(job, sum(file.is_file() for file in files)), _positions(job, files)
    if job.side_by_side > 1:
        work = _Worker(run.path, job.machine, job.side_by_side, resume_command)
        side_by_side(work, positions, job.side_by_side, bar.heard)
    else:
        for position in positions:
            train_network(job, run, position, bar.at(position), resume_command)
    trained = [entry for position in range(len(job.chosen)) if (entry := finished(job, run, position)) is not None]
    if len(trained) < len(job.chosen):
        job.listener(events.Note(f"{len(trained)} of {len(job.chosen)} genotypes in {job.settings.hours:g} hours"))
    return trained


def _positions(job: Job, files: Sequence[Path]) -> Iterator[int]:
    """Which networks are left to train, for as long as there is time."""
    limit = job.settings.hours * 3600 if job.settings.hours and len(job.chosen) > 1 else math.inf
    left = [position for position, file in enumerate(files) if not file.is_file()]
    before, begin = sum(map(_seconds, files)), time.monotonic()
    for position in left:
        longest = max(map(_seconds, files)) * job.side_by_side
        if longest and before + time.monotonic() - begin + longest > limit:
            return
        yield position


def _seconds(file: Path) -> float:
    """The share of the run's time that a finished network took; 0 for others."""
    if not file.is_file():
        return 0.0
    return float(json.loads(file.read_text(encoding="utf-8")).get("seconds", 0.0))


class _Bar:
    """One bar over all networks, training and test tasks alike."""

    def __init__(self, job: Job, finished: int) -> None:
        self.job = job
        self.finished = finished
        self.done: dict[int, int] = {}

    def at(self, position: int) -> events.Listener:
        """The listener of one network, whose own bar becomes a part of this one."""
        return lambda event: self.heard(position, event)

    def heard(self, position: int, event: events.Event) -> None:
        """Pass on what one network says."""
        if isinstance(event, events.Progress) and event.stage == STAGE:
            self.done[position] = event.done
            done = self.finished * event.total + sum(self.done.values())
            total = event.total * len(self.job.chosen)
            event = events.Progress(event.stage, done, total, event.unit, event.values)
        self.job.listener(event)


class _Worker:
    """Trains single networks of a run in another process, with its share of the threads."""

    def __init__(self, run: Path, machine: Machine, at_a_time: int, resume_command: str) -> None:
        self.run = run
        threads = max(1, torch.get_num_threads() // at_a_time)
        self.machine = dataclasses.replace(machine, threads=threads)
        self.at_a_time = at_a_time
        self.resume_command = resume_command
        self.job: Job | None = None

    def __call__(self, position: int, listener: Callable[[events.Event], None]) -> None:
        if self.job is None:
            job = read(self.run, self.machine, events.ignore)
            self.job = dataclasses.replace(job, side_by_side=self.at_a_time)
        train_network(self.job, RunDirectory.open(self.run), position, listener, self.resume_command)
