"""The units of a run with inherited weights: the one meta-training, then the tests of genotypes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from tnas_cli.episodes.sampling import Indices
from tnas_cli.episodes.tasks import evaluation_indices, load_batch
from tnas_cli.methods.calibration import Bins, Measure
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.soft_pruning import paths_of
from tnas_cli.methods.state_file import parameters_of, shapes_of
from tnas_cli.methods.streams import TASKS_PER_BATCH
from tnas_cli.plain import as_written
from tnas_cli.recipes.inherited_result import OWN, Answers, Cell, cells_of
from tnas_cli.recipes.units import Units
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import Calibration
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.spaces.parameters import Parameters

if TYPE_CHECKING:
    from tnas_cli.recipes.inherited import InheritedWork

KIND = checkpoint.INHERITED_WEIGHTS

#: Stages.
TRAINING, TESTS = "inherit", "tests"


@dataclass(frozen=True)
class MetaTraining(Units):
    """The short meta-training of the weights that all genotypes inherit."""

    work: InheritedWork
    unit = "trainings"

    def __len__(self) -> int:
        return 1

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / "trained.json"

    def do(self, life: Life, item: int) -> None:
        seconds = self.work.train(life)
        write_text(self.file(life.run, item), json.dumps({"seconds": seconds}) + "\n")

    def seconds(self, run: RunDirectory) -> float:
        """What it took."""
        path = self.file(run, 0)
        with as_written(path):
            return float(read_json(path)["seconds"])


class Tests(Units):
    """Genotypes on stored test tasks, some tasks for a unit; a genotype that is tested on all of them is one unit."""

    unit = "tests"

    def __init__(self, work: InheritedWork, run: RunDirectory) -> None:
        self.work, self.run = work, run
        self.named = cells_of(work)
        self.parts: list[tuple[str, Sequence[Cell]]] = [
            (name, cells[first : first + size])
            for name, cells in self.named.items()
            for size in [len(cells) if work.recipe.all_tasks else TASKS_PER_BATCH]
            for first in range(0, len(cells), size)
        ]

    def __len__(self) -> int:
        return len(self.parts)

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / TESTS / f"{item}.json"

    def reads(self, run: RunDirectory) -> Iterable[Path]:
        return (run.best,)

    def do(self, life: Life, item: int) -> None:
        name, cells = self.parts[item]
        over_query, over_support = self._measure(life, name, cells)
        kept = {"accuracies": over_query.accuracies, "inductive": over_support.accuracies}
        bins = {"bins": asdict(over_query.bins), "inductive_bins": asdict(over_support.bins)}
        write_text(self.file(life.run, item), json.dumps(kept | bins) + "\n")

    def _measure(self, life: Life, name: str, cells: Sequence[Cell]) -> tuple[Measure, Measure]:
        """Answers on stored test tasks, each with its genotype: transductive and inductive."""
        work, parameters = self.work, self._parameters
        over_query, over_support = Measure(), Measure(self.calibration.temperature)
        classifier = cast("Classifier", self.calibration.classifier)
        for first in range(0, len(cells), TASKS_PER_BATCH):
            indices, targets = zip(*cells[first : first + TASKS_PER_BATCH], strict=True)
            batch = load_batch(work.cache, self._table[list(indices)], work.settings.shot)
            batch = batch.to(work.device, torch.float32)
            learner = replace(work.learner, paths=paths_of(work.meta.network.space, targets))
            transductive, inductive = learner.fit(parameters, batch.support).by(classifier).both(batch.query_x)
            over_query.add(transductive, batch.query_y)
            over_support.add(inductive, batch.query_y)
            life.listener(events.Progress(name, len(over_query.accuracies), len(cells), "test tasks"))
        return over_query, over_support

    @cached_property
    def _table(self) -> Indices:
        s, last = self.work.settings, max(index for cells in self.named.values() for index, _ in cells)
        return evaluation_indices(self.work.cache, "test", s.way, s.shot, s.query, last + 1)

    @cached_property
    def _best(self) -> checkpoint.Checkpoint:
        return checkpoint.load(self.run.best, KIND)

    @cached_property
    def _parameters(self) -> Parameters:
        """The best meta-parameters by validation tasks."""
        return parameters_of(self._best, shapes_of(self.work.start().parameters), self.work.device)

    @cached_property
    def calibration(self) -> Calibration:
        """What validation tasks say of inductive answers."""
        with as_written(self.run.best):
            return decode(Calibration, self._best.about["calibration"][0])

    @property
    def own(self) -> set[str]:
        """The names of what the result's mean is over."""
        return set(self.named) if self.work.recipe.all_tasks else {OWN}

    def names(self, items: Iterable[int]) -> dict[str, int]:
        """The genotypes that units test, each with the first of its units."""
        return {genotype.digest: item for item in sorted(items, reverse=True) for _, genotype in self.parts[item][1]}

    def found(self) -> dict[str, Answers]:
        """The answers of finished units, by the names of `cells_of`."""
        found = {name: Answers() for name in self.named}
        for item, (name, cells) in enumerate(self.parts):
            path = self.file(self.run, item)
            if not path.is_file():
                continue
            kept, into = read_json(path), found[name]
            with as_written(path):
                into.cells += cells
                into.accuracies += map(float, kept["accuracies"])
                into.inductive += map(float, kept["inductive"])
                into.bins.append(Bins.from_json(kept["bins"]))
                into.inductive_bins.append(Bins.from_json(kept["inductive_bins"]))
        return found
