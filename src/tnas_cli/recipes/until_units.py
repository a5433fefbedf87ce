"""The units of a run of `tnas train-eval --until`: trainings with several seeds, and tests on further tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.plain import as_written
from tnas_cli.recipes.test_network import test_further
from tnas_cli.recipes.train_network import result_file, train_network
from tnas_cli.recipes.units import Units
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.until import Design

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork


class Trainings(Units):
    """The networks of a design, each trained with each seed, and tested on its tasks."""

    def __init__(self, works: Sequence[FromScratchWork], design: Design) -> None:
        self.tasks = design.tasks
        self.places = [(work, position) for position in range(design.genotypes) for work in works]

    def __len__(self) -> int:
        return len(self.places)

    def result(self, run: RunDirectory, item: int) -> Path:
        """The file of a network's result."""
        work, position = self.places[item]
        return result_file(work, run, position)

    def file(self, run: RunDirectory, item: int) -> Path:
        return self.result(run, item)

    def do(self, life: Life, item: int) -> None:
        work, position = self.places[item]
        train_network(work, life, position)


class FurtherTests(Trainings):
    """The same networks, tested on those tasks that they were not tested on before."""

    unit = "tests"

    def file(self, run: RunDirectory, item: int) -> Path:
        return self.result(run, item).with_name(f"tested-{self.tasks}.json")

    def do(self, life: Life, item: int) -> None:
        work, position = self.places[item]
        test_further(work, life, position, self.result(life.run, item))
        write_text(self.file(life.run, item), "{}\n")

    def left(self, run: RunDirectory) -> list[int]:
        trained = [item for item in super().left(run) if self.result(run, item).is_file()]
        return [item for item in trained if len(accuracies_in(self.result(run, item))) < self.tasks]


def accuracies_in(file: Path) -> list[float]:
    """The accuracy of a network on each test task."""
    with as_written(file):
        return [float(value) for value in read_json(file)["accuracies"]]
