"""`tnas train-eval`: train each distinct network once from scratch, and measure it on the stored test tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch

from tnas_cli.engines.choose import decisive
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.methods.fits import check_fit
from tnas_cli.methods.meta_learn import Plan
from tnas_cli.methods.registry import training_method
from tnas_cli.recipes.data import check_tasks, open_data, settled
from tnas_cli.recipes.engine import engine_for_tasks
from tnas_cli.recipes.from_scratch_result import method_of, result
from tnas_cli.recipes.same_data import check_records
from tnas_cli.recipes.train_network import duty, result_file
from tnas_cli.recipes.train_networks import Networks, train_networks
from tnas_cli.recipes.trainable import Trainable, TrainableRecord, network_of, trainables
from tnas_cli.recipes.units import UnitsWork
from tnas_cli.records.kinds import Record
from tnas_cli.records.results import TrainResult
from tnas_cli.runs import events
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import remove
from tnas_cli.runs.life import Life
from tnas_cli.runs.ranks import here
from tnas_cli.runs.recipe import Recipe
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale import gpus, processes
from tnas_cli.scale.cluster import check_cluster
from tnas_cli.scale.share import Duty
from tnas_cli.settings.train import TrainSettings

#: No more processes than this are started unless the user asks for them: each holds its own memory for a network.
MOST_SIDE_BY_SIDE = 8

#: Trainings on fewer tasks than this are too short to be worth the seconds that starting processes takes.
LONG_ENOUGH = 500


@dataclass(frozen=True)
class FromScratch(Recipe):
    """Networks to train: each distinct one once. limit: only the most frequent genotypes (of equally frequent ones the
    earlier). side_by_side: networks trained at a time, None for the fastest number; of no meaning where a cluster or
    the processes of torchrun do the work.

    `settings.hours` ends the training of a single network. With several, none is started that would not end in time.
    """

    settings: TrainSettings
    given: Sequence[TrainableRecord]
    limit: int | None = None
    side_by_side: int | None = 1
    kind: ClassVar[str] = "train-eval"
    changeable: ClassVar[tuple[str, ...]] = ("hours", "side_by_side")

    @property
    def options(self) -> Mapping[str, Any]:
        return {"limit": self.limit, "side_by_side": self.side_by_side}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(TrainSettings.from_dict(settings), trainables(given), **options)

    def changed(self, changes: Changes) -> Self:
        hours = self.settings.hours if changes.hours is None else changes.hours
        side_by_side = self.side_by_side if changes.side_by_side is None else changes.side_by_side
        return replace(self, settings=self.settings.replace(hours=hours), side_by_side=side_by_side)

    def prepare(self, machine: Machine, listener: events.Listener) -> FromScratchWork:
        """Raises SettingsError, DataError and GenotypeError."""
        check_cluster(machine.cluster)
        network_of(self.given)
        method = training_method(self.settings.method)
        check_fit(self.settings, method.about, machine.engine)
        device = machine.start()
        cache = open_data(self.settings.dataset, self.settings.protocol, machine, listener)
        check_records(self.given, cache, allowed=machine.allow_other_data)
        settings = settled(self.settings, cache)
        check_tasks(settings, cache, "train", "val", "test")
        genotypes = Counter(map(Trainable.of, self.given))
        chosen = genotypes.most_common(self.limit)
        networks = [trainable.build(settings, cache.channels, cache.size) for trainable, _ in chosen]
        for network in networks:
            method.shapes(network, settings)  # a network that the method cannot train is refused
        method.tasks(cache, settings, device)  # so are data that it cannot learn from
        engine = engine_for_tasks(
            decisive(networks, device), settings, cache, device, machine, listener, by_engine=method.by_engine
        )
        if machine.cluster is not None:
            refuse_hours(settings, len(chosen), "--cluster")
        asked = 1 if self.side_by_side is None and settings.tasks < LONG_ENOUGH else self.side_by_side
        count = networks_at_a_time(asked, machine, engine, device, len(chosen))
        return FromScratchWork(self, settings, chosen, len(genotypes), cache, device, machine, engine, count)


@dataclass(frozen=True)
class FromScratchWork(UnitsWork):
    """Networks that are ready to be trained: `chosen`, each with how many tasks decoded to it; `distinct` is how many
    there were to choose from; `count` are trained at a time."""

    recipe: FromScratch
    settings: TrainSettings
    chosen: Sequence[tuple[Trainable, int]]
    distinct: int
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine
    count: int
    #: What was set aside, where the networks were trained before `run`.
    done: Mapping[int, TnasError] | None = None
    #: In which folder below that of its name a network is kept, where a run trains it several times.
    below: str = ""

    @property
    def name(self) -> str:
        s = self.settings
        return f"train-eval-{self.cache.dataset}-{s.way}w{s.shot}s-{method_of(self.recipe.given, s)}"

    @property
    def plan(self) -> Plan:
        """How each network is trained. A time limit ends the training of a single network; with several, it decides how
        many are trained."""
        return Plan.of(self.settings if len(self.chosen) == 1 else self.settings.replace(hours=0.0))

    def run(self, life: Life) -> TrainResult:
        life.listener(events.Note(self._what()))
        reached = train_networks(self, life)
        return result(self, life, reached.trained, reached.aside)

    @property
    def at_a_time(self) -> int:
        return self.count

    def units(self, stage: str, run: RunDirectory) -> Networks:
        return Networks(self)

    def elsewhere(self) -> FromScratch:
        return replace(self.recipe, settings=self.settings, side_by_side=self.count)

    def after(self, aside: Mapping[int, TnasError]) -> FromScratchWork:
        return replace(self, done=aside)

    def duty(self, number: int) -> Duty:
        """What the processes of a group compute of the training of a network of `chosen`."""
        return duty(self, number)

    def reopen(self, run: RunDirectory) -> None:
        if len(self.chosen) == 1:
            remove(result_file(self, run, 0))

    def _what(self) -> str:
        network = network_of(self.recipe.given)
        if network is not None:
            return f"training {network}"
        if len(self.chosen) < self.distinct:
            return f"training {len(self.chosen)} of {self.distinct} distinct genotypes, the most frequent first"
        return f"training {len(self.chosen)} distinct of {len(self.recipe.given)} genotypes"


def refuse_hours(settings: TrainSettings, networks: int, where: str) -> None:
    """Raises SettingsError for a time limit of several trainings on a cluster."""
    if settings.hours and networks > 1:
        raise SettingsError(
            f"--hours has no effect on several trainings with {where}.",
            hint="give --tasks; stopping the run saves it, and tnas resume goes on",
        )


def networks_at_a_time(asked: int | None, machine: Machine, engine: Engine, device: torch.device, networks: int) -> int:
    """How many networks are trained at a time; raises SettingsError if that number is impossible."""
    if here().size > 1:  # all of them work on one network
        return 1
    if machine.cluster is not None:
        return 1
    if asked is None:
        # One thread per network wastes nothing on waiting for the others; PyTorch's operations use all threads anyway.
        fast = engine.name == "fused" and processes.AVAILABLE
        return min(networks, torch.get_num_threads(), MOST_SIDE_BY_SIDE) if fast else 1
    most = {"cpu": asked, "cuda": gpus.count()}.get(device.type, 1) if processes.AVAILABLE else 1
    if asked > max(1, most):
        raise SettingsError(
            f"--side-by-side {asked} needs a CPU, or as many GPUs, and not Windows; the device is {device.type}.",
            hint="leave it out",
        )
    return min(asked, networks)
