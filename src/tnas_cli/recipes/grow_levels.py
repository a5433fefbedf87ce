"""The levels of `tnas grow`: which cells of a size are trained, each of them as a unit, and what they reached."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.methods.accuracy_predictor import predicted
from tnas_cli.plain import as_written
from tnas_cli.recipes.train_network import learn
from tnas_cli.recipes.units import Units
from tnas_cli.runs.contents import RESULT
from tnas_cli.runs.files import read_json, remove, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.growing import with_one_more, with_one_node
from tnas_cli.spaces.registry import space

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork


@dataclass(frozen=True)
class Trained:
    """A cell with its accuracy on validation tasks, and the seconds of its training."""

    cell: Genotype
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Chosen:
    """The cells of one size that are trained, of `considered` ones; what was predicted of each, where something was."""

    cells: Sequence[Genotype]
    considered: int
    predicted: Sequence[float] | None

    def to_json(self) -> dict[str, Any]:
        """As a run keeps it."""
        cells = [cell.to_json() for cell in self.cells]
        return {"considered": self.considered, "predicted": self.predicted, "cells": cells}

    @classmethod
    def read(cls, file: Path) -> Chosen:
        """What a run has kept; raises DataError for a damaged file."""
        kept = read_json(file)
        with as_written(file):
            cells = [Genotype.from_json(cell) for cell in kept["cells"]]
            return cls(cells, int(kept["considered"]), kept["predicted"])


def first_cells(settings: GrowSettings) -> Chosen:
    """Cells of one node: all of the space, or as many as are wanted, drawn at random."""
    every = with_one_node(space(settings.space))
    order = numpy_generator(settings.seed, "first cells").random(len(every)).argsort(kind="stable")
    return Chosen([every[number] for number in sorted(order[: settings.first])], len(every), None)


def larger_cells(settings: GrowSettings, before: Sequence[Trained], every: Sequence[Trained]) -> Chosen:
    """The most promising of all cells that have one node more than a cell of the level `before`, by what `every` cell
    that was trained so far has reached."""
    of, found = space(settings.space), dict[Genotype, None]()
    for one in before:
        found |= dict.fromkeys(with_one_more(one.cell, of))
    asked = list(found)
    expected = predicted([one.cell for one in every], [one.accuracy for one in every], asked, of, settings.seed)
    best = sorted(range(len(asked)), key=lambda number: -expected[number])[: settings.beam]
    return Chosen([asked[number] for number in best], len(asked), [expected[number] for number in best])


def stage_of(nodes: int) -> str:
    """The stage in which cells of so many nodes are trained."""
    return f"level-{nodes}"


def kept_choice(run: Path, nodes: int) -> Path:
    """Where a run keeps which cells of so many nodes are trained."""
    return run / f"{stage_of(nodes)}.json"


@dataclass(frozen=True)
class Level(Units):
    """Each cell of one size, trained for a short time and measured on the validation tasks. Its weights are not
    kept."""

    training: FromScratchWork
    stage: str
    chosen: Path

    def __len__(self) -> int:
        return len(self.training.chosen)

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / self.stage / self.training.chosen[item][0].name / RESULT

    def reads(self, run: RunDirectory) -> Iterable[Path]:
        return (self.chosen,)

    def do(self, life: Life, item: int) -> None:
        done, began = self.file(life.run, item), time.monotonic()
        found = learn(self.training, life, item, done.parent, self.training.chosen[item][0].name)
        seconds = found.before + time.monotonic() - began
        write_text(done, json.dumps({"validation": found.state.best_accuracy, "seconds": seconds}) + "\n")
        for name in ("best.pt", "last.pt"):
            remove(done.with_name(name))

    def trained(self, run: RunDirectory, cells: Sequence[Genotype]) -> list[Trained]:
        """Those that are finished, the best first, and of equally good ones the more promising."""
        found = []
        for item, cell in enumerate(cells):
            if (file := self.file(run, item)).is_file():
                kept = read_json(file)
                with as_written(file):
                    found.append(Trained(cell, float(kept["validation"]), float(kept["seconds"])))
        return sorted(found, key=lambda one: -one.accuracy)
