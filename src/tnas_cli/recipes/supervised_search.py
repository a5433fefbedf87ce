"""Where the genotypes of the supervised setting come from: one line of Table 5 per method, with the time it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import InnerRule
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.adapt import with_way
from tnas_cli.methods.darts import adapt_in_parts, darts
from tnas_cli.methods.t_nas import search_network
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.architecture import Architecture, architecture
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.space import SearchedNetwork

Value = TypeVar("Value")


@dataclass(frozen=True)
class Architectures:
    """The genotypes of each task, the seconds of search per task (None where a task needs none), and the seconds that
    were spent before, on other tasks (S2)."""

    genotypes: tuple[tuple[Architecture, ...], ...]
    seconds: float | None = None
    seconds_before: float | None = None
    search_tasks: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What a run directory keeps of it."""
        return {
            "genotypes": [[genotype.to_json() for genotype in task] for task in self.genotypes],
            "seconds": self.seconds,
            "seconds_before": self.seconds_before,
            "search_tasks": self.search_tasks,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Architectures:
        """Read the form of `to_json`."""
        genotypes = tuple(tuple(map(architecture, task)) for task in value["genotypes"])
        return cls(genotypes, value["seconds"], value["seconds_before"], value["search_tasks"])


def tasks_of(
    cache: ImageCache, split: str, settings: SupervisedSettings, tasks: int, device: torch.device
) -> TaskBatch:
    """The first evaluation tasks of a split, always the same ones; raises SettingsError where it is too small."""
    indices = evaluation_indices(cache, split, settings.way, settings.shot, settings.query, tasks)
    return load_batch(cache, indices, settings.shot).to(device, torch.float32)


def black_of(cache: ImageCache, device: torch.device) -> Tensor:
    """What a black pixel is after normalisation, [C]."""
    return -torch.tensor(cache.mean, device=device) / torch.tensor(cache.std, device=device)


def finished(steps: Generator[events.Progress, None, Value], listener: events.Listener) -> Value:
    """Run to the end, pass progress on, and return the result."""
    while True:
        try:
            listener(next(steps))
        except StopIteration as end:
            value: Value = end.value
            return value


def search(
    cache: ImageCache,
    batch: TaskBatch,
    settings: SupervisedSettings,
    given: Sequence[Architecture],
    checkpoint: Path | None,
    device: torch.device,
    machine: Machine,
    listener: events.Listener,
    together: Callable[[int], list[Tensor]] | None = None,
) -> Architectures:
    """The genotypes of every task by the method of the settings. together: who searches with DARTS for so many tasks,
    and gives the theta of each, if not this process.

    Raises what `meta_architecture` raises for T-NAS.
    """
    tasks = range(len(batch))
    if settings.method == "given":
        return Architectures((tuple(given),) * len(tasks))
    if settings.method == "random":
        usual = space()
        drawn = [
            usual.random(
                numpy_generator(settings.seed, "random genotypes", task * settings.genotypes + number), usual.nodes
            )
            for task in tasks
            for number in range(settings.genotypes)
        ]
        return Architectures(tuple(tuple(drawn[t * settings.genotypes :][: settings.genotypes]) for t in tasks))
    if settings.method == "t-nas":
        meta = meta_architecture(checkpoint, cache, device)
        return _t_nas(meta, cache, batch, settings, device, machine, listener)

    def on_all(searched: TaskBatch, stage: str) -> list[Genotype]:
        if together is not None:
            return [_network(settings, cache).space.decode(theta) for theta in together(len(searched))]
        numbers = range(len(searched))
        return darts_on(cache, searched, numbers, settings, stage, device, machine, listener)

    if settings.method == "s1":
        begin = time.monotonic()
        found = on_all(batch, "s1")
        return Architectures(tuple((genotype,) for genotype in found), (time.monotonic() - begin) / len(tasks))
    begin = time.monotonic()
    elsewhere = tasks_of(cache, "train", settings, settings.genotypes, device)
    found = on_all(elsewhere, "s2")
    return Architectures((tuple(found),) * len(tasks), None, time.monotonic() - begin)


def check_engine(settings: SupervisedSettings, cache: ImageCache, device: torch.device, machine: Machine) -> None:
    """Raises SettingsError if DARTS is to search with an engine that cannot do it."""
    if settings.method in ("s1", "s2"):
        network = _network(settings, cache)
        choose_engine(machine.engine, network, device, second_order=settings.order == "second")


def _network(settings: SupervisedSettings, cache: ImageCache) -> SearchedNetwork:
    """The network that DARTS searches in Section 5.3."""
    usual = space()
    return usual.search_network(settings.way, cache.channels, settings.channels, usual.nodes)


def darts_on(
    cache: ImageCache,
    batch: TaskBatch,
    tasks: Sequence[int],
    settings: SupervisedSettings,
    stage: str,
    device: torch.device,
    machine: Machine,
    listener: events.Listener,
) -> list[Genotype]:
    """The genotype that DARTS finds for each task of a batch; `tasks` are their numbers. One task's does not depend on
    the others, except for the rounding of the torch engine."""
    theta = finished(darts_steps(cache, batch, tasks, settings, stage, device, machine, listener), listener)
    return [_network(settings, cache).space.decode(own) for own in theta]


def darts_steps(
    cache: ImageCache,
    batch: TaskBatch,
    tasks: Sequence[int],
    settings: SupervisedSettings,
    stage: str,
    device: torch.device,
    machine: Machine,
    listener: events.Listener = events.ignore,
) -> Generator[events.Progress, None, Tensor]:
    """The steps of DARTS on these tasks; returns theta [T, 2, edges, 8]."""
    network, second = _network(settings, cache), settings.order == "second"
    engine = choose_engine(machine.engine, network, device, second_order=second, listener=listener)
    return darts(engine, network, batch, tasks, black_of(cache, device), settings, stage)


def _t_nas(
    meta: MetaArchitecture,
    cache: ImageCache,
    batch: TaskBatch,
    settings: SupervisedSettings,
    device: torch.device,
    machine: Machine,
    listener: events.Listener,
) -> Architectures:
    """Algorithm 2 on every task, one after the other, because its time is measured."""
    network = search_network(meta.settings.replace(way=settings.way), cache.channels)
    parameters = with_way(meta.parameters, network.specs())
    rule = InnerRule(meta.settings.alpha_inner, meta.settings.beta_inner, settings.steps or meta.settings.test_steps)
    engine = choose_engine(machine.engine, network, device, listener=listener)
    found: list[Genotype] = []
    begin = time.monotonic()
    for task in range(len(batch)):
        alone = batch.part(slice(task, task + 1))
        adapted = adapt_in_parts(engine, network, parameters, alone, rule, settings.adapt_batch)
        found.append(network.space.decode(adapted[THETA][0]))
        listener(events.Progress("t-nas", len(found), len(batch), "tasks"))
    seconds = (time.monotonic() - begin) / len(found)
    return Architectures(tuple((genotype,) for genotype in found), seconds, search_tasks=meta.tasks_done)


def meta_architecture(path: Path | None, cache: ImageCache, device: torch.device) -> MetaArchitecture:
    """The checkpoint that T-NAS adapts; raises SettingsError if there is none or if its images differ, and
    CheckpointError."""
    if path is None:
        raise SettingsError(
            "T-NAS adapts a meta-architecture, but none is given.", hint="add --checkpoint runs/search-.../best.pt"
        )
    meta = load_meta_architecture(path, device)
    has, needs = (cache.size, cache.channels), (meta.size, meta.data.channels)
    if has != needs:
        raise SettingsError(
            f"{meta.path} was searched on images of {needs[0]} pixels and {needs[1]} channels; those of "
            f"{cache.dataset} have {has[0]} and {has[1]}.",
            hint=f"prepare the data set with --size {needs[0]}, or use another checkpoint",
        )
    return meta
