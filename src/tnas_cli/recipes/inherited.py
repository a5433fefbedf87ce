"""`tnas train-eval --weights inherited`: decoded networks that keep the search network's weights (soft pruning).

Instead of training each genotype from scratch, w~ is meta-trained once, for a short time, through the steps that turn
an adapted search network into its decoded one. Then every task adapts on its own, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.soft_pruning import PRUNE_STEPS, SoftPruning, along
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.streams import Episodes
from tnas_cli.recipes.calibrate import calibrate, keep
from tnas_cli.recipes.data import open_data, settled
from tnas_cli.recipes.engine import engine_for_tasks
from tnas_cli.recipes.inherited_result import result, summary
from tnas_cli.recipes.inherited_units import KIND, TESTS, TRAINING, MetaTraining, Tests
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.recipes.same_data import check_records, check_same_data
from tnas_cli.recipes.trainable import TrainableRecord, max_skips_of, own_task, trainables
from tnas_cli.recipes.units import Units, UnitsWork, do_all, set_aside
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.results import TrainResult
from tnas_cli.runs import checkpoint, events, shipped
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine
from tnas_cli.runs.drive import Saving
from tnas_cli.runs.files import remove
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.leader import sharing
from tnas_cli.scale.share import Duty
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.architecture import architecture
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.update.outer import AdamRule, adam


@dataclass(frozen=True)
class Inherited(Recipe):
    """Genotypes to measure with the weights of the search that found them; `checkpoint` is that search's best.pt.

    `settings.tasks`, or `settings.hours`, is the length of the short meta-training, once for all genotypes, and
    `settings.paths` the genotypes that it goes along; inner steps and rates are those of the search. Each genotype is
    measured on the test task that decoded to it (Section 5.2.2), or, with `all_tasks`, on the first
    `settings.test_tasks` stored test tasks. cross: also on the tasks of so many genotypes after it and before it.
    """

    settings: TrainSettings
    given: Sequence[TrainableRecord]
    checkpoint: Path
    all_tasks: bool = False
    cross: int | None = None
    kind: ClassVar[str] = "inherited"
    changeable: ClassVar[tuple[str, ...]] = ("hours",)

    @property
    def options(self) -> Mapping[str, Any]:
        path = str(shipped.located(self.checkpoint).resolve())
        return {"checkpoint": path, "all_tasks": self.all_tasks, "cross": self.cross}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        path, chosen = Path(options["checkpoint"]), TrainSettings.from_dict(settings)
        return cls(chosen, trainables(given), path, options["all_tasks"], options.get("cross"))

    def changed(self, changes: Changes) -> Self:
        return self if changes.hours is None else replace(self, settings=self.settings.replace(hours=changes.hours))

    def prepare(self, machine: Machine, listener: events.Listener) -> InheritedWork:
        """Raises SettingsError, GenotypeError, DataError and CheckpointError."""
        check_cluster(machine.cluster)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        meta = load_meta_architecture(self.checkpoint, device)
        check_same_data(meta.data, cache, str(self.checkpoint), allowed=machine.allow_other_data)
        check_records(self.given, cache, allowed=machine.allow_other_data)
        settings, genotypes = settled(self.settings, cache), self._genotypes(cache, meta)
        engine = engine_for_tasks(meta.network, settings, cache, device, machine, listener)
        base = search_method(meta.settings.method).learner(engine, meta.network, meta.settings)
        learner = SoftPruning(engine, meta.network, base, PRUNE_STEPS, max_skips=max_skips_of(genotypes))
        return InheritedWork(self, settings, genotypes, meta, learner, cache, device, machine, engine)

    def _genotypes(self, cache: ImageCache, meta: MetaArchitecture) -> list[Decoded]:
        """The given records; raises SettingsError unless all are genotypes that fit the checkpoint, GenotypeError for
        cells outside of its space."""
        settings = self.settings
        ours = (settings.way, settings.channels, cache.size, cache.channels)
        theirs = (meta.settings.way, meta.settings.channels, meta.size, meta.data.channels)
        if ours != theirs:
            raise SettingsError(
                f"way, channels, image size and image channels are {ours}, but {meta.path} was searched with {theirs}.",
                hint="give the checkpoint of the search that found these genotypes",
            )
        genotypes = [record for record in self.given if isinstance(record, Decoded)]
        if len(genotypes) < len(self.given):
            raise SettingsError("only genotypes inherit weights.", hint="leave --weights out for 4conv")
        foreign = {record.space for record in genotypes} - {meta.settings.space}
        if foreign:
            raise SettingsError(
                f"a genotype is from the space {min(foreign)}, but {meta.path} from the space {meta.settings.space}.",
                hint="give the checkpoint of the search that found these genotypes",
            )
        for found in (architecture(record.genotype) for record in genotypes):
            if isinstance(found, Cells):
                found.to_genotype()  # which says why it is none
        # Measuring each genotype on its own task needs genotypes that name one.
        if not self.all_tasks and all(own_task(record, settings, cache) is None for record in genotypes):
            raise SettingsError(
                "no genotype names the test task that decoded to it.",
                hint="add --all-tasks to measure each on all tasks",
            )
        if self.cross is not None:
            self._check_cross([own_task(record, settings, cache) for record in genotypes])
        return genotypes

    def _check_cross(self, own: Sequence[int | None]) -> None:
        """Raises SettingsError unless genotypes can be tested on each other's tasks."""
        if self.all_tasks:
            raise SettingsError("--cross and --all-tasks exclude each other.", hint="leave one of them out")
        tasks = [index for index in own if index is not None]
        if len(set(tasks)) < len(tasks):
            raise SettingsError("--cross takes one genotype for each task.", hint="give the genotypes of one search")
        if len(tasks) <= 2 * (self.cross or 0):
            raise SettingsError(
                f"--cross {self.cross} needs the genotypes of at least {2 * (self.cross or 0) + 1} test tasks, not "
                f"{len(tasks)}.",
                hint="adapt to more tasks: tnas adapt CHECKPOINT --tasks N",
            )


def checkpoint_of(records: Sequence[TrainableRecord]) -> Path:
    """The best.pt of the one search that found all genotypes; raises SettingsError if they do not name one."""
    runs = {record.run if isinstance(record, Decoded) else None for record in records}
    run = runs.pop() if len(runs) == 1 else None
    if run is None:
        raise SettingsError(
            "the genotypes do not name the one search whose weights they inherit.",
            hint="add --checkpoint FILE, the best.pt of that search",
        )
    return Path(run) / "best.pt"


@dataclass(frozen=True)
class InheritedWork(UnitsWork):
    """The meta-training and the measuring, ready to run."""

    recipe: Inherited
    settings: TrainSettings
    genotypes: Sequence[Decoded]
    meta: MetaArchitecture
    learner: SoftPruning
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine

    @property
    def name(self) -> str:
        s = self.settings
        return f"train-eval-{self.cache.dataset}-{s.way}w{s.shot}s-{self.meta.settings.method}-inherited"

    def units(self, stage: str, run: RunDirectory) -> Units:
        return MetaTraining(self) if stage == TRAINING else Tests(self, run)

    @property
    def reads(self) -> tuple[Path, ...]:
        return (self.data_path, self.elsewhere().checkpoint)

    def elsewhere(self) -> Inherited:
        path = shipped.located(self.recipe.checkpoint).resolve()
        return replace(self.recipe, settings=self.settings, checkpoint=path)

    def reopen(self, run: RunDirectory) -> None:
        for item in range(len(tests := Tests(self, run))):
            remove(tests.file(run, item))
        remove(MetaTraining(self).file(run, 0))

    def run(self, life: Life) -> TrainResult:
        if aside := do_all(self, TRAINING, life):
            raise aside[0]
        tests, state = Tests(self, life.run), self.start()
        aside = do_all(self, TESTS, life)
        answers = tests.found()
        if not any(answers[name].cells for name in tests.own):
            raise next(iter(aside.values()))
        restore(checkpoint.load(life.run.last, KIND), state)
        named = {digest: aside[item] for digest, item in tests.names(aside).items()}
        if named:
            life.listener(events.Note(f"not all tests could be made: those of {len(named)} genotypes were set aside"))
        seconds = MetaTraining(self).seconds(life.run)
        found = summary(self, answers, tests.calibration, state)
        return result(self, life, found, state, seconds, set_aside(named))

    def start(self) -> MetaState:
        """The state before the meta-training: what the search reached."""
        start = {name: tensor.clone() for name, tensor in self.meta.parameters.items()}
        return MetaState(start, adam(start, {}, AdamRule(self.settings.alpha_outer)))

    def tasks(self) -> Tasks:
        """Of the meta-training and its validation."""
        tasks = Episodes().tasks(self.cache, self.settings, self.device)
        return tasks if self.settings.paths == "own" else along(tasks, self.meta.network.space, self.path)

    def path(self, number: int) -> Genotype:
        """What a task of the meta-training is pruned to, where that is not its own genotype: the given ones in turn, or
        any of the space."""
        if self.settings.paths == "random":
            meta = self.meta.settings
            return self.meta.network.space.random(numpy_generator(self.settings.seed, "path", number), meta.nodes)
        return self._given[number % len(self._given)]

    @cached_property
    def _given(self) -> list[Genotype]:
        """The distinct genotypes to measure."""
        return list(dict.fromkeys(Genotype.from_json(record.genotype) for record in self.genotypes))

    def duty(self, number: int) -> Duty:
        """What the processes of a group compute of the meta-training."""
        return Duty(self.learner, self.tasks(), self.start().parameters)

    def tests(self) -> int:
        """How many times a genotype will be tested on a task."""
        if self.recipe.all_tasks:
            return self.settings.test_tasks * len({record.digest for record in self.genotypes})
        own = sum(own_task(record, self.settings, self.cache) is not None for record in self.genotypes)
        return own * (1 if self.recipe.cross is None else 3 + 2 * self.recipe.cross)

    def train(self, life: Life) -> float:
        """The meta-training, which resumes where it stopped; the best meta-parameters by validation tasks also
        calibrate their checkpoint. Returns its seconds."""
        run, state = life.run, self.start()
        if run.last.is_file():
            restore(checkpoint.load(run.last, KIND), state)
        life.rewind("inherit", state.tasks_done, (entry["tasks"] for entry in state.history))
        about = {
            "settings": self.settings.to_dict(),
            "search": {"settings": self.meta.settings.to_dict(), "data": self.meta.data.to_json()},
            "max_skips": self.learner.max_skips,
            "run": str(run.known_as),
            "checkpoint": str(self.meta.path),
        }

        def save(path: Path) -> None:
            checkpoint.save(path, to_checkpoint(KIND, state, about))

        life.listener(events.Note(f"meta-training the inherited weights in {run.known_as}"))
        saving = Saving(last=lambda: save(run.last), best=lambda: save(run.best))
        plan = replace(Plan.of(self.settings), together=sharing(), zero_head=self.meta.head == "zero")
        steps = meta_learn(self.learner, state, self.tasks(), plan)
        life.drive(steps, saving, stage="inherit", history=state.history)
        parameters = parameters_of(checkpoint.load(run.best, KIND), shapes_of(state.parameters), self.device)
        fitted = ((self.learner.fit(parameters, b.support), b.query_x, b.query_y) for b in self.tasks().validate())
        keep(run.best, KIND, calibrate(fitted))
        return state.seconds
