"""`tnas train-eval --until`: networks from scratch, as many as the interval needs.

A run looks at its interval, trains and tests more, and looks again (`tnas_cli/until.py` decides what). What it decided
is kept in its folder, with the seconds that it measured at the first look: a run that was stopped goes on as it would
have gone on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.from_scratch import FromScratch, FromScratchWork
from tnas_cli.recipes.from_scratch_result import result
from tnas_cli.recipes.several_seeds import combined
from tnas_cli.recipes.test_network import STAGE as TESTS
from tnas_cli.recipes.train_network import STAGE, finished, result_file
from tnas_cli.recipes.trainable import TrainableRecord, trainables
from tnas_cli.recipes.units import UnitsWork, do_all
from tnas_cli.recipes.until_looks import Kept, Look
from tnas_cli.recipes.until_units import FurtherTests, Trainings, accuracies_in
from tnas_cli.records.kinds import Record
from tnas_cli.records.parts import Until as UntilPart
from tnas_cli.records.results import TrainResult
from tnas_cli.runs import events
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import read_json
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.train import TrainSettings
from tnas_cli.until import MOST_TASKS, PILOT, Costs, Design, Study

#: More seeds than this are never asked for.
MOST_SEEDS = 1000

#: How a run may end.
REACHED, OUT_OF_REACH, SET_ASIDE = "reached", "out of reach", "set aside"


@dataclass(frozen=True)
class TrainUntil(Recipe):
    """Networks to train until the half-width of the interval is at most `until`, a share of 1: with 2 or more `seeds`
    to begin with, for other seeds too, which it then may add to; otherwise with one seed. It begins with
    `settings.test_tasks` test tasks. limit: no more than the most frequent genotypes."""

    settings: TrainSettings
    given: Sequence[TrainableRecord]
    until: float
    limit: int | None = None
    side_by_side: int | None = 1
    seeds: int = 1
    kind: ClassVar[str] = "until"
    changeable: ClassVar[tuple[str, ...]] = ("side_by_side", "until")

    @property
    def options(self) -> Mapping[str, Any]:
        return {"until": self.until, "limit": self.limit, "side_by_side": self.side_by_side, "seeds": self.seeds}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(TrainSettings.from_dict(settings), trainables(given), **options)

    def changed(self, changes: Changes) -> Self:
        until = self.until if changes.until is None else changes.until
        side_by_side = self.side_by_side if changes.side_by_side is None else changes.side_by_side
        return replace(self, until=until, side_by_side=side_by_side)

    def prepare(self, machine: Machine, listener: events.Listener) -> UntilWork:
        """Raises what `FromScratch.prepare` raises, and SettingsError for a time limit."""
        if self.settings.hours:
            raise SettingsError(
                "--hours and --until exclude each other.",
                hint="give --tasks for the length of a training; Ctrl-C saves, and tnas resume RUN --until X ends it",
            )
        if self.settings.test_tasks > MOST_TASKS:
            raise SettingsError(
                f"--test-tasks {self.settings.test_tasks} is where --until begins.", hint=f"give {MOST_TASKS} at most"
            )
        once = FromScratch(self.settings, self.given, self.limit, self.side_by_side).prepare(machine, listener)
        return UntilWork(self, once.settings, once, once.cache, once.device, machine, once.engine)


@dataclass(frozen=True)
class UntilWork(UnitsWork):
    """Networks that are ready to be trained; `once` trains each of them with one seed."""

    recipe: TrainUntil
    settings: TrainSettings
    once: FromScratchWork
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine

    @property
    def name(self) -> str:
        return self.once.name

    @property
    def at_a_time(self) -> int:
        return self.once.count

    @property
    def most(self) -> Design:
        """No design is larger."""
        return Design(len(self.once.chosen), MOST_SEEDS if self.recipe.seeds > 1 else 1, MOST_TASKS)

    @property
    def begin(self) -> Design:
        """The first look."""
        return Design(min(PILOT, self.most.genotypes), self.recipe.seeds, self.settings.test_tasks)

    def units(self, stage: str, run: RunDirectory) -> Trainings:
        design = Kept.read(run, self.begin).designs[-1]
        kind = Trainings if stage == STAGE else FurtherTests
        return kind(self.works(design), design)

    def works(self, design: Design) -> list[FromScratchWork]:
        """One for each seed."""
        first = self.settings.seed
        return [
            replace(
                self.once,
                settings=self.settings.replace(seed=seed, test_tasks=design.tasks),
                below="" if seed == first else f"seed-{seed}",
            )
            for seed in range(first, first + design.seeds)
        ]

    def elsewhere(self) -> TrainUntil:
        return replace(self.recipe, settings=self.settings, side_by_side=self.once.count)

    def reopen(self, run: RunDirectory) -> None:
        kept = Kept.read(run, self.begin)
        replace(kept, planned=None, ended=None).write(run)

    def run(self, life: Life) -> TrainResult:
        kept = Kept.read(life.run, self.begin)
        kept.write(life.run)
        while True:
            aside: dict[int, TnasError] = {}
            for stage in (STAGE, TESTS):
                if self.units(stage, life.run).left(life.run):
                    aside |= do_all(self, stage, life)
            if aside or kept.ended:
                return self._result(life, replace(kept, ended=kept.ended or SET_ASIDE), aside)
            kept = self._look(life, kept)
            kept.write(life.run)

    def _look(self, life: Life, kept: Kept) -> Kept:
        """Look at the interval, say what is left to do, and decide."""
        design = kept.designs[-1]
        works, weights = self.works(design), [float(times) for _, times in self.once.chosen]
        files = [[result_file(work, life.run, g) for work in works] for g in range(design.genotypes)]
        study = Study(np.array([[accuracies_in(file) for file in row] for row in files]), weights)
        costs = kept.costs or _costs([read_json(file) for row in files for file in row])
        asked, most = self.recipe.until, self.most
        plan = study.plan(asked, costs, most, self.once.count)
        look = Look(self.recipe, self.once.distinct, most, study, plan, costs)
        for line in look.lines(life.run.path, first=kept.planned is None):
            life.listener(events.Note(line))
        ended = REACHED if plan.done else None if plan.reached else OUT_OF_REACH
        designs = kept.designs if ended else (*kept.designs, plan.next)
        return Kept(designs, costs, kept.planned or plan, ended)

    def _result(self, life: Life, kept: Kept, aside: Mapping[int, TnasError]) -> TrainResult:
        design = kept.designs[-1]
        works = self.works(design)
        every = [[finished(work, life.run, g) for work in works] for g in range(design.genotypes)]
        whole = [row for row in every if all(one is not None and len(one.accuracies) == design.tasks for one in row)]
        if not whole:
            raise next(iter(aside.values()))
        places = Trainings(works, design).places
        named = {self.once.chosen[places[item][1]][0].name: error for item, error in sorted(aside.items())}
        results = [
            result(work, life, [one for one in column if one is not None], {} if work.below else named)
            for work, column in zip(works, _columns(whole), strict=True)
        ]
        below = {work.settings.seed: work.below for work in works}
        both = combined(results, lambda of, name: life.run.path / name / below[of.seed])
        part = UntilPart(asked=self.recipe.until, ended=kept.ended or SET_ASIDE, looks=len(kept.designs))
        if (plan := kept.planned) is not None:
            part = replace(part, **asdict(plan.end), seconds=plan.seconds, interval=min(1.0, plan.interval))
        return replace(both, runs=None, wall_seconds=life.seconds, until=part)


def _columns(rows: Sequence[Sequence[Trained | None]]) -> list[list[Trained | None]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _costs(finished: Sequence[Mapping[str, Any]]) -> Costs:
    """Mean seconds of a training, and of a test on a task."""
    tests = sum(one["test_seconds"] for one in finished)
    trainings = sum(one["seconds"] for one in finished) - tests
    return Costs(trainings / len(finished), tests / sum(len(one["accuracies"]) for one in finished))
