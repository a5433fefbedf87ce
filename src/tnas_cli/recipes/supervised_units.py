"""The units of the supervised setting (Section 5.3): searches of single tasks, and genotypes with all their tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import supervised as training
from tnas_cli.methods.calibration import Bins, Measure
from tnas_cli.plain import as_written
from tnas_cli.recipes.supervised_search import Architectures, black_of, darts_on, darts_steps, finished, tasks_of
from tnas_cli.recipes.units import Units, do_all
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.in_step import leading, led, stacked
from tnas_cli.scale.share import Steps
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.architecture import Architecture
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA

if TYPE_CHECKING:
    from tnas_cli.recipes.supervised import SupervisedWork

#: Stages: DARTS on each task (S1 and S2), then a training of each genotype.
SEARCH, NETWORKS = "search", "networks"

#: What the searches have found, in the run's folder.
FOUND = "found.json"

#: Methods whose tasks are searched separately on a cluster.
SEPARATE = ("s1", "s2")


@dataclass(frozen=True)
class Searches(Units):
    """DARTS on each task by itself: on the test tasks for S1, on training tasks for S2."""

    method: str
    cache: ImageCache
    batch: TaskBatch
    settings: SupervisedSettings
    device: torch.device
    machine: Machine
    unit = "searches"

    def __len__(self) -> int:
        return len(self.batch) if self.method == "s1" else self.settings.genotypes

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / "searches" / f"task-{item}.json"

    def do(self, life: Life, item: int) -> None:
        began = time.monotonic()
        alone = self._tasks.part([item])
        where = (self.device, self.machine, life.listener)
        (genotype,) = darts_on(self.cache, alone, [item], self.settings, self.method, *where)
        kept = {"genotype": genotype.to_json(), "seconds": time.monotonic() - began}
        write_text(self.file(life.run, item), json.dumps(kept) + "\n")

    def steps(self, item: int) -> Steps:
        """The same for a group of processes; returns its theta."""
        where = (self.device, self.machine)
        theta = yield from darts_steps(self.cache, self._tasks.part([item]), [item], self.settings, self.method, *where)
        return {THETA: theta}

    @cached_property
    def _tasks(self) -> TaskBatch:
        if self.method == "s1":
            return self.batch
        return tasks_of(self.cache, "train", self.settings, self.settings.genotypes, self.device)

    def found(self, run: RunDirectory) -> tuple[list[Genotype], float]:
        """The genotype of each task, and the seconds of all searches together."""
        genotypes, seconds = [], 0.0
        for item in range(len(self)):
            kept = read_json(self.file(run, item))
            with as_written(self.file(run, item)):
                genotypes.append(Genotype.from_json(kept["genotype"]))
                seconds += float(kept["seconds"])
        return genotypes, seconds


def searched(work: SupervisedWork, life: Life) -> Architectures:
    """What S1 or S2 finds, task by task. A search that was set aside ends the run when the others are done: without
    its genotypes there is no result."""
    aside = do_all(work, SEARCH, life)
    if aside:
        raise next(iter(aside.values()))
    units, tasks = work.units(SEARCH, life.run), len(work.batch)
    assert isinstance(units, Searches)
    genotypes, seconds = units.found(life.run)
    if units.method == "s1":
        return Architectures(tuple((genotype,) for genotype in genotypes), seconds / tasks)
    return Architectures((tuple(genotypes),) * tasks, None, seconds)


def training_steps(work: SupervisedWork, genotype: Architecture, tasks: Sequence[int], stage: str) -> Steps:
    """The steps of a genotype's training on these tasks."""
    network, batch = work.network(genotype), work.batch.part(list(tasks))
    purpose = f"supervised weights of {genotype.digest}"
    parameters = training.initial(network, work.settings.seed, purpose, tasks, work.device)
    black = black_of(work.cache, work.device)
    return training.train(work.engine, network, parameters, batch, tasks, black, work.settings, stage)


class SupervisedNetworks(Units):
    """Each genotype, trained from scratch on all its tasks together and measured on each."""

    def __init__(self, work: SupervisedWork, found: Architectures) -> None:
        self.work = work
        tasks: dict[Architecture, list[int]] = {}
        for task, genotypes in enumerate(found.genotypes):
            for genotype in dict.fromkeys(genotypes):
                tasks.setdefault(genotype, []).append(task)
        self.tasks = list(tasks.items())

    def __len__(self) -> int:
        return len(self.tasks)

    def genotype(self, item: int) -> Architecture:
        """What a unit trains."""
        return self.tasks[item][0]

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / NETWORKS / f"{self.genotype(item).digest}.json"

    def reads(self, run: RunDirectory) -> Iterable[Path]:
        return (run.path / FOUND,)

    def do(self, life: Life, item: int) -> None:
        genotype, tasks = self.tasks[item]
        measured = self._train(life, genotype, tasks, f"network {item + 1} of {len(self)}")
        kept = {"tasks": tasks, "accuracies": measured.accuracies, "bins": asdict(measured.bins)}
        write_text(self.file(life.run, item), json.dumps(kept) + "\n")

    def _train(self, life: Life, genotype: Architecture, tasks: Sequence[int], stage: str) -> Measure:
        work = self.work
        if (leader := leading()) is not None:
            found = led(leader, work, (genotype.to_json(), tuple(tasks), stage), len(tasks), life.listener)
            parameters = stacked(found, work.device)
        else:
            parameters = finished(training_steps(work, genotype, tasks, stage), life.listener)
        return training.measure(work.engine, work.network(genotype), parameters, work.batch.part(list(tasks)))

    def measured(self, run: RunDirectory) -> tuple[dict[tuple[int, str], float], list[Bins | None]]:
        """Accuracy of each task with each of its genotypes, by the task's number and the genotype's digest; and the
        probabilities of each genotype's answers, None where they were not kept. Of what is finished."""
        accuracies: dict[tuple[int, str], float] = {}
        bins: list[Bins | None] = []
        for item in range(len(self)):
            path, digest = self.file(run, item), self.genotype(item).digest
            if not path.is_file():
                continue
            kept: Mapping[str, Any] = read_json(path)
            with as_written(path):
                pairs: Iterable[tuple[Any, Any]] = zip(kept["tasks"], kept["accuracies"], strict=True)
                accuracies |= {(int(task), digest): float(value) for task, value in pairs}
                bins.append(Bins.from_json(kept["bins"]) if "bins" in kept else None)
        return accuracies, bins
