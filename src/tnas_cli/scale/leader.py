"""The leader of a group: it lives the life of a run as a single process does, and shares the tasks out.

Of a meta-batch, process r of N computes the tasks r, r + N, r + 2N, ... and sends the gradient of each; the leader adds
them up from the first task to the last. The sum, and with it the search, is the same to the last bit for any number of
processes. Only the leader has a state: the others get the meta-parameters with each order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tnas_cli.engines.interface import MetaGradient
from tnas_cli.errors import Interrupted, LostRankError, SettingsError, TnasError
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.methods.together import ALONE, MetaBatch, Together, in_order
from tnas_cli.records.results import Result
from tnas_cli.runs.device import Machine
from tnas_cli.runs.interrupt import ask_to_stop
from tnas_cli.runs.ranks import here
from tnas_cli.runs.recipe import Recipe, Work
from tnas_cli.scale.share import (
    FAILED,
    REPORT,
    STOP,
    Duty,
    InShards,
    InSteps,
    Shared,
    first_error,
    flattened,
    packed,
    share,
    tried,
    unpacked,
)
from tnas_cli.scale.torch_group import Group
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.version import __version__

#: The kinds of orders. An order is six numbers: its kind, the duty, and the first task, their count, the progress and
#: the number of classes of a meta-batch of hard tasks; these classes follow the order, if there are any.
PREPARE, GRADIENT, VALIDATE, STEPS, SHARDS, ERRORS, END = range(7)
NUMBERS = 6


class Leader:
    """Process 0. memory: a store that outlives it where torchrun starts it again; keeps the runs that it made."""

    leads = True

    def __init__(self, group: Group, memory: Any) -> None:
        self.group, self.memory, self.size = group, memory, group.size
        self.runs = 0

    def follow(self) -> Result:
        raise AssertionError("it leads")

    def made_before(self) -> Path | None:
        if int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0 and self.memory.check([self._run]):
            found = Path(self.memory.get(self._run).decode())
            self.runs += 1
            return found
        return None

    def made(self, run: Path) -> None:
        self.memory.set(self._run, str(run.resolve()))
        self.runs += 1

    @property
    def _run(self) -> str:
        return f"tnas/run {self.runs}"

    def ready(self, recipe: Recipe, machine: Machine, work: Work) -> None:
        if not isinstance(work, Shared | InSteps | InShards):
            raise SettingsError(f"a run of the kind {recipe.kind} is one process's work.", hint="leave torchrun out")
        # As it is kept: with absolute paths, and everything settled.
        recipe = type(recipe).again(work.settings.to_dict(), recipe.options, recipe.given)
        self.order(PREPARE)
        self.group.tell((recipe, replace(machine, engine=work.engine_name)))
        ours = identity(work)
        for rank, (theirs, error) in enumerate(self.group.collect((ours, None))):
            if error is not None:
                raise error
            if theirs != ours:
                raise TnasError(
                    f"rank {rank} does not fit the others: it has {_words(theirs)}, but rank 0 has {_words(ours)}.",
                    hint="install the same versions and prepare the same data everywhere",
                )

    def end(self, outcome: Result | BaseException) -> None:
        if isinstance(outcome, LostRankError):
            return
        if isinstance(outcome, BaseException) and not isinstance(outcome, TnasError):
            stopped = isinstance(outcome, KeyboardInterrupt)
            outcome = (Interrupted if stopped else TnasError)(str(outcome) or "stopped.", hint="rank 0 says more")
        with suppress(LostRankError):
            self.order(END)
            self.group.tell(outcome)

    def order(self, kind: int, *numbers: float) -> None:
        """Tell the others what to do next."""
        filled = (kind, *numbers) + (0,) * (NUMBERS - 1 - len(numbers))
        self.group.broadcast(torch.tensor(filled, dtype=torch.float64))

    def heed(self, reports: list[int], error: TnasError | None) -> None:
        """What all report after something was computed: that they were asked to stop, or failed, as this process with
        the error. Raises the error of the first task."""
        if any(report & STOP for report in reports):
            ask_to_stop()
        if any(report & FAILED for report in reports):
            self.order(ERRORS)
            met = first_error(self.group.collect(error))
            assert met is not None
            raise met


@dataclass
class OverRanks:
    """A method's meta-batches and validations, shared by the processes of a group; `number`: which duty it is."""

    leader: Leader
    number: int
    own: Duty | None = None

    def meta_gradient(self, learner: Learner, parameters: Parameters, tasks: Tasks, which: MetaBatch) -> MetaGradient:
        group, duty = self.leader.group, self._duty(learner, tasks, parameters)
        self.leader.order(GRADIENT, self.number, which.first, which.count, which.progress, len(which.among))
        if which.among:
            group.broadcast(torch.tensor(which.among))
        group.broadcast(flattened(parameters))
        own = share(0, group.size, which.count)
        nothing: list[MetaGradient] = []
        found, error = tried(lambda: duty.gradients(parameters, which, own), nothing)
        table = packed(found, parameters, len(own), 0 if error is None else FAILED)
        tables = group.gather(table)
        self.leader.heed([int(table[0, REPORT]) for table in tables], error)
        names = list(found[0].gradients)
        rows = [tables[position % group.size][position // group.size] for position in range(which.count)]
        return in_order(unpacked(row, parameters, names) for row in rows)

    def accuracies(self, learner: Learner, parameters: Parameters, tasks: Tasks) -> Iterator[Tensor]:
        group, duty = self.leader.group, self._duty(learner, tasks, parameters)
        self.leader.order(VALIDATE, self.number)
        group.broadcast(flattened(parameters))
        measured: dict[int, Any] = {}
        for one in group.collect(validated(duty, parameters, 0, group.size)):
            measured |= one
        for number in sorted(measured):
            if isinstance(measured[number], TnasError):
                raise measured[number]
            yield measured[number]

    def _duty(self, learner: Learner, tasks: Tasks, parameters: Parameters) -> Duty:
        if self.own is None or self.own.learner is not learner:
            self.own = Duty(learner, tasks, parameters)
        return self.own


def sharing(number: int = 0) -> Together:
    """Who computes the meta-batches of a duty: the group that this process leads, or this process alone."""
    ranks = here()
    return OverRanks(ranks, number) if isinstance(ranks, Leader) else ALONE


def validated(duty: Duty, parameters: Parameters, rank: int, size: int) -> dict[int, Tensor | TnasError]:
    """A process's batches of validation tasks by their numbers: accuracies, up to the first error."""
    found: dict[int, Tensor | TnasError] = {}

    def measure() -> None:
        for number, accuracies in duty.accuracies(parameters, rank, size):
            found[number] = accuracies.cpu()

    _, error = tried(measure, None)
    if error is not None:
        found[rank + size * len(found)] = error
    return found


def identity(work: Work) -> tuple[str, str, str, str]:
    """What must be the same in all processes."""
    return __version__, torch.__version__, work.engine_name, work.fingerprint


def _words(of: tuple[str, str, str, str]) -> str:
    package, pytorch, engine, fingerprint = of
    return f"tnas {package}, torch {pytorch}, the engine {engine} and data {fingerprint[:12]}"
