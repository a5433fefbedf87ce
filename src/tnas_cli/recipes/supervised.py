"""`tnas supervised`: search for larger tasks, train the found genotypes on them, and measure (Section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from tnas_cli.engines.choose import choose_engine, decisive
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods import supervised as training
from tnas_cli.methods.calibration import Bins, Measure
from tnas_cli.methods.registry import title_of
from tnas_cli.plain import as_written
from tnas_cli.recipes.data import open_data, settled
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.same_data import check_records, check_same_data
from tnas_cli.recipes.supervised_result import Summary, summarise
from tnas_cli.recipes.supervised_search import (
    Architectures,
    black_of,
    check_engine,
    finished,
    meta_architecture,
    search,
    tasks_of,
)
from tnas_cli.recipes.trainable import TrainableRecord, found_by, trainables
from tnas_cli.recipes.work import DataWork
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.parts import Amount, Budget, CountedFor
from tnas_cli.records.results import SupervisedResult
from tnas_cli.runs import events, shipped
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Recipe
from tnas_cli.settings.applies import refuse, refuse_settings
from tnas_cli.settings.features import STEPS_LOG, SUPERVISED_READS
from tnas_cli.settings.preset import preset
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.architecture import Architecture, architecture, build_network
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.operations_table import SKIP_CONNECT
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
class SupervisedWork(DataWork):
    """Tasks that are ready to be searched for and trained on. A unit is a genotype, with all its tasks."""

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

    def run(self, life: Life) -> SupervisedResult:
        kept = life.once("found.json", lambda: self._search(life).to_json())
        with as_written(life.run.path / "found.json"):
            found = Architectures.from_json(kept)
        accuracies, bins = self._train_all(life, found)
        summary = summarise(found.genotypes, accuracies, bins, lambda g: count(self._network(g).specs()))
        return self._result(life, found, summary)

    def _search(self, life: Life) -> Architectures:
        life.listener(events.Note(f"supervised learning in {life.run.path}"))
        where = (self.device, self.machine, life.listener)
        return search(self.cache, self.batch, self.settings, self.cells, self.recipe.checkpoint, *where)

    def _network(self, genotype: Architecture) -> SpaceNetwork:
        return build_network(genotype, self.settings.way, self.cache.channels, self.settings.channels)

    def _train_all(self, life: Life, found: Architectures) -> tuple[dict[tuple[int, str], float], list[Bins | None]]:
        """Accuracy of each task with each of its genotypes, by the task's number and the genotype's digest; and the
        probabilities of each genotype's answers, None where they were not kept."""
        tasks: dict[Architecture, list[int]] = {}
        for task, genotypes in enumerate(found.genotypes):
            for genotype in dict.fromkeys(genotypes):
                tasks.setdefault(genotype, []).append(task)
        accuracies: dict[tuple[int, str], float] = {}
        bins: list[Bins | None] = []
        for number, (genotype, own) in enumerate(tasks.items(), start=1):
            stage = f"network {number} of {len(tasks)}"

            def train(genotype: Architecture = genotype, own: list[int] = own, stage: str = stage) -> dict[str, Any]:
                measured = self._train(life, genotype, own, stage)
                return {"tasks": own, "accuracies": measured.accuracies, "bins": asdict(measured.bins)}

            name = f"networks/{genotype.digest}.json"
            kept = life.once(name, train)
            with as_written(life.run.path / name):
                pairs = zip(kept["tasks"], kept["accuracies"], strict=True)
                accuracies |= {(int(task), genotype.digest): float(value) for task, value in pairs}
                bins.append(Bins.from_json(kept["bins"]) if "bins" in kept else None)
        return accuracies, bins

    def _train(self, life: Life, genotype: Architecture, tasks: Sequence[int], stage: str) -> Measure:
        """Train one genotype on all its tasks together and measure it on each."""
        network, settings = self._network(genotype), self.settings
        which, everything = torch.tensor(tasks, device=self.device), self.batch
        batch = TaskBatch(
            everything.support_x[which],
            everything.support_y[which],
            everything.query_x[which],
            everything.query_y[which],
            everything.way,
        )
        purpose = f"supervised weights of {genotype.digest}"
        parameters = training.initial(network, settings.seed, purpose, tasks, self.device)
        black = black_of(self.cache, self.device)
        steps = training.train(self.engine, network, parameters, batch, tasks, black, settings, stage)
        parameters = finished(steps, life.listener)
        return training.measure(self.engine, network, parameters, batch)

    def _result(self, life: Life, found: Architectures, summary: Summary) -> SupervisedResult:
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
            seed=settings.seed,
            wall_seconds=life.seconds,
            resumed=life.resumed,
            budget=Budget(
                search=searched, training=Amount(amount=settings.epochs, unit="epochs", each="task and genotype")
            ),
            engine=self.engine_name,
            environment=environment(self.device),
        )
