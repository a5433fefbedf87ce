"""`tnas grow`: a cell that grows node by node, by short trainings and a predictor (Auto-Meta, PNAS).

Kim et al. (Auto-Meta, 2018) search a few-shot network's cell as Liu et al. (PNAS, ECCV 2018, Algorithm 1) do: cells of
one node are trained and measured on validation tasks; of all cells with one node more, a predictor that has learned
from those measured so far chooses the most promising; and so on. Each candidate is meta-trained, by Reptile. The number
of candidates, the budget of each and the form of the predictor were found in no source: these are tnas's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Self

import torch

from tnas_cli.engines.choose import decisive
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.methods.fits import check_fit
from tnas_cli.methods.registry import about_training, readers, title_of, training_method
from tnas_cli.recipes.data import check_tasks, open_data, settled
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.engine import engine_for_tasks
from tnas_cli.recipes.from_scratch import FromScratch, FromScratchWork, networks_at_a_time
from tnas_cli.recipes.grow_levels import Chosen, Level, Trained, first_cells, kept_choice, larger_cells, stage_of
from tnas_cli.recipes.meta_architecture import describe_data
from tnas_cli.recipes.trainable import Trainable
from tnas_cli.recipes.transfer_choice import CHOSEN
from tnas_cli.recipes.units import UnitsWork, do_all, set_aside
from tnas_cli.records import writing
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.parts import GrownLevel
from tnas_cli.records.results import GrowResult
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.files import write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.settings.applies import refuse_settings
from tnas_cli.settings.features import SCRATCH
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.preset import preset
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.registry import space

#: The method that results and genotype records name.
METHOD = "auto-meta"


def grow_settings(preset_name: str, given: Mapping[str, Any], file: Mapping[str, Any] | None = None) -> GrowSettings:
    """A preset, what the method that trains changes in it, a file, and what the user gave; the later ones win.

    Raises SettingsError for an impossible value, and for a given one that the method does not read.
    """
    asked = {**(file or {}), **given}
    method = about_training(settings_of(GrowSettings)["method"].checked_in(asked))
    refuse_settings(given, GrowSettings, method.reads | {SCRATCH}, method.name, readers(searches=False))
    if asked.get("hours"):
        raise SettingsError(
            "--hours has no effect on many short trainings.", hint="give --first, --beam, --nodes and --tasks"
        )
    return GrowSettings.from_dict({**preset("grow", preset_name), **method.differs, **asked})


@dataclass(frozen=True)
class Grow(Recipe):
    """A search by its settings."""

    settings: GrowSettings
    given: Sequence[Record] = ()
    kind: ClassVar[str] = "grow"

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(GrowSettings.from_dict(settings))

    def prepare(self, machine: Machine, listener: events.Listener) -> GrowWork:
        """Raises SettingsError and DataError."""
        check_cluster(machine.cluster)
        method = training_method(self.settings.method)
        check_fit(self.settings, method.about, machine.engine)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        settings = settled(self.settings, cache)
        check_tasks(settings, cache, "train", "val")
        largest = network_of_size(settings, cache, settings.nodes)
        method.shapes(largest, settings)  # a network that the method cannot train is refused
        method.tasks(cache, settings, device)  # so are data that it cannot learn from
        engine = engine_for_tasks(
            decisive([largest], device), settings, cache, device, machine, listener, by_engine=method.by_engine
        )
        count = networks_at_a_time(None, machine, engine, device, settings.first)
        return GrowWork(self, settings, cache, device, machine, engine, count)


@dataclass(frozen=True)
class GrowWork(UnitsWork):
    """A search that is ready to run; `count` cells are trained at a time."""

    recipe: Grow
    settings: GrowSettings
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine
    count: int

    @property
    def name(self) -> str:
        s = self.settings
        return f"grow-{self.cache.dataset}-{s.way}w{s.shot}s-{s.method}"

    @property
    def at_a_time(self) -> int:
        return self.count

    def run(self, life: Life) -> GrowResult:
        every: list[Trained] = []
        before: list[Trained] = []
        levels, aside = list[GrownLevel](), dict[str, TnasError]()
        for nodes in range(1, self.settings.nodes + 1):
            chosen = self._chosen(life, nodes, before, every)
            life.listener(events.Note(self._what(nodes, chosen, life.run.path)))
            errors = do_all(self, stage_of(nodes), life)
            before = self.units(stage_of(nodes), life.run).trained(life.run, chosen.cells)
            if not before:
                raise next(iter(errors.values()))
            every += before
            aside |= {chosen.cells[item].digest: errors[item] for item in sorted(errors)}
            levels.append(_level(chosen, before))
            life.listener(events.Note(f"best of them: {100 * before[0].accuracy:.1f}% on validation tasks"))
        write_text(life.run.path / CHOSEN, writing.line(self._record(life.run, before[0].cell)))
        return self._result(life, levels, every, before[0], aside)

    def units(self, stage: str, run: RunDirectory) -> Level:
        nodes = int(stage.rpartition("-")[2])
        file = kept_choice(run.path, nodes)
        records = [decoded(cell) for cell in Chosen.read(file).cells]
        networks = [(Trainable.of(record), 1) for record in records]
        recipe = FromScratch(self.settings, records)
        where = (self.cache, self.device, self.machine, self.engine, self.count)
        # Each cell is trained for all its tasks, also where it is the only one.
        return Level(FromScratchWork(recipe, self.settings, networks, len(networks), *where), stage, file)

    def elsewhere(self) -> Grow:
        return replace(self.recipe, settings=self.settings)

    def _chosen(self, life: Life, nodes: int, before: Sequence[Trained], every: Sequence[Trained]) -> Chosen:
        def choose() -> Any:
            return (first_cells(self.settings) if nodes == 1 else larger_cells(self.settings, before, every)).to_json()

        life.once(kept_choice(life.run.path, nodes).name, choose)
        return Chosen.read(kept_choice(life.run.path, nodes))

    def _what(self, nodes: int, chosen: Chosen, run: Path) -> str:
        size = "one node" if nodes == 1 else f"{nodes} nodes"
        how = "drawn at random" if chosen.predicted is None else "the most promising"
        which = "all" if len(chosen.cells) == chosen.considered else f"{len(chosen.cells)} of {chosen.considered:,}"
        each = f"{self.settings.tasks:,} tasks each in {run}"
        return f"training {which} cells of {size}{'' if which == 'all' else f', {how}'}, {each}"

    def _record(self, run: RunDirectory, cell: Genotype) -> Decoded:
        s = self.settings
        origin = Origin(method=METHOD, run=str(run.known_as), seed=s.seed, way=s.way, shot=s.shot, channels=s.channels)
        return decoded(cell, replace(origin, data=describe_data(self.cache)))

    def _result(
        self,
        life: Life,
        levels: Sequence[GrownLevel],
        every: Sequence[Trained],
        best: Trained,
        aside: Mapping[str, TnasError],
    ) -> GrowResult:
        s = self.settings
        return GrowResult(
            run=str(life.run.path),
            path=str(life.run.path / CHOSEN),
            method=METHOD,
            title=title_of(METHOD),
            trained_by=s.method,
            dataset=self.cache.dataset,
            protocol=self.cache.protocol,
            fingerprint=self.cache.fingerprint,
            way=s.way,
            shot=s.shot,
            seed=s.seed,
            space=s.space,
            nodes=s.nodes,
            digest=best.cell.digest,
            darts=best.cell.to_darts(),
            validation_accuracy=best.accuracy,
            validation_tasks=s.validation_tasks,
            tasks=s.tasks,
            trained=len(every),
            levels=tuple(levels),
            set_aside=set_aside(aside),
            training_seconds=sum(one.seconds for one in every),
            wall_seconds=life.seconds,
            resumed=life.resumed,
            engine=self.engine_name,
            environment=environment(self.device),
        )


def network_of_size(settings: GrowSettings, cache: ImageCache, nodes: int) -> Network:
    """The network of a random cell of so many nodes, for what depends on the size of a network alone."""
    cell = space(settings.space).random(numpy_generator(settings.seed, "cells to measure", nodes), nodes)
    return Trainable.of(decoded(cell)).build(settings, cache.channels, cache.size)


def _level(chosen: Chosen, trained: Sequence[Trained]) -> GrownLevel:
    return GrownLevel(
        nodes=trained[0].cell.nodes,
        considered=chosen.considered,
        trained=len(trained),
        best=trained[0].accuracy,
        mean=fmean(one.accuracy for one in trained),
        predicted=None if chosen.predicted is None else fmean(chosen.predicted),
        digest=trained[0].cell.digest,
    )
