"""`tnas supervised`: search for larger tasks, train the found genotypes on them, and measure (Section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from tnas_cli.engines.choose import choose_engine, decisive
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.registry import title_of
from tnas_cli.plain import as_written
from tnas_cli.recipes.data import open_data, settled
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.same_data import check_records, check_same_data
from tnas_cli.recipes.supervised_result import Summary, summarise
from tnas_cli.recipes.supervised_search import (
    Architectures,
    check_engine,
    meta_architecture,
    search,
    tasks_of,
)
from tnas_cli.recipes.supervised_units import (
    FOUND,
    NETWORKS,
    SEARCH,
    SEPARATE,
    Searches,
    SupervisedNetworks,
    searched,
    training_steps,
)
from tnas_cli.recipes.trainable import TrainableRecord, found_by, trainables
from tnas_cli.recipes.units import Units, UnitsWork, do_all, set_aside
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.parts import Amount, Budget, CountedFor, SetAside
from tnas_cli.records.results import SupervisedResult
from tnas_cli.runs import events, shipped
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.files import read_json
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.in_step import leading, led
from tnas_cli.scale.leader import Leader
from tnas_cli.scale.share import Steps
from tnas_cli.settings.applies import refuse, refuse_settings
from tnas_cli.settings.features import STEPS_LOG, SUPERVISED_READS
from tnas_cli.settings.preset import preset
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.architecture import Architecture, architecture, build_network
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.operations_table import SKIP_CONNECT
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.shapes import count
from tnas_cli.spaces.space import SpaceNetwork

ASK = "name a genotype, or choose one of --method t-nas, s1, s2 and random"


def supervised_settings(
    preset_name: str, given: Mapping[str, Any], file: Mapping[str, Any] | None = None
) -> SupervisedSettings:
    """A preset, a file, and what the user gave; the later ones win. Raises SettingsError."""
    asked = {**(file or {}), **given}
    settings = SupervisedSettings.from_dict({**preset("supervised", preset_name), **asked})
    reads, others = SUPERVISED_READS[settings.method], SUPERVISED_READS
    refuse_settings(given, SupervisedSettings, reads, f"--method {settings.method}", others)
    return settings


@dataclass(frozen=True)
class Supervised(Recipe):
    """Genotypes for each task, by the method of the settings, trained on it from scratch and measured on its query
    images. given: the genotypes of method 'given', else none. checkpoint: the meta-architecture of method 't-nas';
    a resumed run needs it only if it has not adapted it yet."""

    settings: SupervisedSettings
    given: Sequence[TrainableRecord] = ()
    checkpoint: Path | None = None
    resumed: bool = False
    kind: ClassVar[str] = "supervised"

    @property
    def options(self) -> Mapping[str, Any]:
        return {"checkpoint": None if self.checkpoint is None else str(shipped.located(self.checkpoint).resolve())}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        path = None if options["checkpoint"] is None else Path(options["checkpoint"])
        return cls(SupervisedSettings.from_dict(settings), trainables(given), path, resumed=True)

    def prepare(self, machine: Machine, listener: events.Listener) -> SupervisedWork:
        """Raises SettingsError, GenotypeError and DataError."""
        check_cluster(machine.cluster)
        genotypes = [record for record in self.given if isinstance(record, Decoded)]
        if len(genotypes) < len(self.given):
            raise SettingsError(
                "the supervised setting trains genotypes, but was given another kind of network.", hint=ASK
            )
        if (self.settings.method == "given") != bool(genotypes):
            what = "both a genotype and a method that finds its own were given."
            raise SettingsError(what if genotypes else "no genotype was given.", hint=ASK)
        if machine.tensorboard:
            refuse(["tensorboard"], {"tensorboard": STEPS_LOG}, frozenset(), "tnas supervised, which logs no steps", {})
        cells = [architecture(record.genotype) for record in genotypes]
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        check_records(genotypes, cache, allowed=machine.allow_other_data)
        settings = settled(self.settings, cache)
        if settings.method == "t-nas" and not self.resumed:
            meta = meta_architecture(self.checkpoint, cache, device)  # one that cannot be adapted is refused now
            check_same_data(meta.data, cache, str(self.checkpoint), allowed=machine.allow_other_data)
        batch = tasks_of(cache, "test", settings, settings.tasks, device)
        networks = [
            build_network(genotype, settings.way, cache.channels, settings.channels) for genotype in cells or (EXAMPLE,)
        ]
        engine = choose_engine(machine.engine, decisive(networks, device), device, listener=listener)
        if not self.resumed:
            check_engine(settings, cache, device, machine)  # a search that it cannot do is refused now
        return SupervisedWork(self, settings, genotypes, cells, cache, batch, device, machine, engine)


#: A genotype that any search may find.
_CELL = ((SKIP_CONNECT.name, 0), (SKIP_CONNECT.name, 1))
EXAMPLE = Genotype(_CELL, _CELL)


@dataclass(frozen=True)
class SupervisedWork(UnitsWork):
    """Tasks that are ready to be searched for and trained on. A unit is a genotype, with all its tasks; of a search on
    a cluster, a task."""

    recipe: Supervised
    settings: SupervisedSettings
    given: Sequence[Decoded]
    cells: Sequence[Architecture]
    cache: ImageCache
    batch: TaskBatch
    device: torch.device
    machine: Machine
    engine: Engine

    @property
    def method(self) -> str:
        """The method that the result stands for."""
        return self.settings.method if self.settings.method != "given" else found_by(self.given)

    @property
    def name(self) -> str:
        return f"supervised-{self.cache.dataset}-{self.settings.way}w{self.settings.shot}s-{self.method}"

    def units(self, stage: str, run: RunDirectory) -> Units:
        if stage == SEARCH:
            return self.searches
        return SupervisedNetworks(self, self._kept(run))

    @cached_property
    def searches(self) -> Searches:
        """Of S1 and S2, task by task."""
        return Searches(self.settings.method, self.cache, self.batch, self.settings, self.device, self.machine)

    def elsewhere(self) -> Supervised:
        return replace(self.recipe, settings=self.settings, checkpoint=None, resumed=True)

    def run(self, life: Life) -> SupervisedResult:
        life.once(FOUND, lambda: self._search(life).to_json())
        found = self._kept(life.run)
        aside = do_all(self, NETWORKS, life)
        networks = SupervisedNetworks(self, found)
        accuracies, bins = networks.measured(life.run)
        if not accuracies:
            raise next(iter(aside.values()))
        if aside:
            note = f"trained {len(networks) - len(aside)} of {len(networks)} networks: the others were set aside"
            life.listener(events.Note(note))
        summary = summarise(found.genotypes, accuracies, bins, lambda g: count(self.network(g).specs()))
        named = {networks.genotype(item).digest: error for item, error in sorted(aside.items())}
        return self._result(life, found, summary, set_aside(named))

    def _kept(self, run: RunDirectory) -> Architectures:
        """What the search found."""
        with as_written(run.path / FOUND):
            return Architectures.from_json(read_json(run.path / FOUND))

    def _search(self, life: Life) -> Architectures:
        life.listener(events.Note(f"supervised learning in {life.run.path}"))
        if self.machine.cluster is not None and self.settings.method in SEPARATE:
            return searched(self, life)
        where = (self.device, self.machine, life.listener)
        leader = leading()
        together = None if leader is None else partial(self._searched_together, leader, life)
        return search(self.cache, self.batch, self.settings, self.cells, self.recipe.checkpoint, *where, together)

    def _searched_together(self, leader: Leader, life: Life, tasks: int) -> list[Tensor]:
        return [found[THETA][0] for found in led(leader, self, None, tasks, life.listener)]

    def steps(self, of: tuple[Any, Sequence[int], str] | None, position: int) -> Steps:
        """A task for a group of processes: a search, or (genotype, tasks, stage) a training."""
        if of is None:
            return self.searches.steps(position)
        genotype, tasks, stage = of
        return training_steps(self, architecture(genotype), [tasks[position]], stage)

    def network(self, genotype: Architecture) -> SpaceNetwork:
        """The decoded network of a genotype."""
        return build_network(genotype, self.settings.way, self.cache.channels, self.settings.channels)

    def _result(
        self, life: Life, found: Architectures, summary: Summary, aside: tuple[SetAside, ...] | None
    ) -> SupervisedResult:
        settings, cache = self.settings, self.cache
        searched = None if found.search_tasks is None else Amount(amount=found.search_tasks, unit="tasks")
        return SupervisedResult(
            run=str(life.run.path),
            method=self.method,
            title=title_of(self.method),
            network=None,
            space=found.genotypes[0][0].space,
            dataset=cache.dataset,
            protocol=cache.protocol,
            fingerprint=cache.fingerprint,
            split="test",
            way=settings.way,
            shot=settings.shot,
            query=settings.query,
            **vars(summary),
            counted_for=CountedFor(way=settings.way, image_channels=cache.channels, channels=settings.channels),
            preparation=preparation_of(cache),
            search_seconds=found.seconds,
            search_seconds_before=found.seconds_before,
            order=settings.order if settings.method in ("s1", "s2") else None,
            transductive=True,
            weights="from-scratch",
            channels=settings.channels,
            set_aside=aside,
            seed=settings.seed,
            wall_seconds=life.seconds,
            resumed=life.resumed,
            budget=Budget(
                search=searched, training=Amount(amount=settings.epochs, unit="epochs", each="task and genotype")
            ),
            engine=self.engine_name,
            environment=environment(self.device),
        )
