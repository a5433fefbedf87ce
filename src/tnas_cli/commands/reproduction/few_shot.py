"""Tables 2, 3 and 6: a method's network is trained on tasks, or what its search finds for test tasks; BASE's searched
network answers itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tnas_cli.commands.adapt import adapt_dataset
from tnas_cli.commands.reproduction.continued import run
from tnas_cli.commands.reproduction.plan import Cell, Plan
from tnas_cli.errors import SettingsError
from tnas_cli.methods.registry import about
from tnas_cli.recipes.estimate_training import estimate_from_scratch
from tnas_cli.recipes.from_scratch import FromScratch
from tnas_cli.recipes.search import Search
from tnas_cli.recipes.search_settings import search_settings
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.recipes.trainable import TrainableRecord, read_trainables
from tnas_cli.records import writing
from tnas_cli.records.reading import read
from tnas_cli.records.results import AdaptResult, SearchResult, TrainResult
from tnas_cli.report.paper_tables import PaperRow
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.runs.files import write_text
from tnas_cli.runs.recipe import Recipe
from tnas_cli.settings.features import ORDER

#: The network of a row that names none; a method with an architecture of its own takes its place.
NETWORK = "4conv"
#: Of a cell's time, a search has this share, and the training of what it found the rest.
SEARCH_SHARE = 0.5
#: Within a time limit so many test tasks are adapted, and the most frequent genotype is trained.
ADAPTED_IN_TIME = 20
#: The adapted tasks of a search.
ADAPTED = "adapted.jsonl"
#: The preset whose rates and sizes a training within a time limit has.
IN_TIME = "quick"
#: A genotype whose training is measured for an estimate, before a search has found others.
_TYPICAL = "DARTS_V2"
#: What trains the architectures of a search, where it is not MAML (Section 4.2).
_TRAINED_BY = {"t-nas++": "maml++"}


#: Searches whose network is measured itself, adapted to test tasks: nothing is decoded.
_ANSWERING = ("base-softmax", "base-gumbel-softmax")

#: Rows that no method of tnas is named after, and why.
_WHY = {
    "auto-meta-small": "its search is missing; its cell: tnas train-eval Auto-Meta --method reptile --channels 10",
    "auto-meta-large": "no width of its published cell has the 98.7K weights of this row",
}


def why_not(row: PaperRow) -> str | None:
    """A row needs a method of its name."""
    try:
        about(row.method)
    except SettingsError:
        return _WHY.get(row.method, "tnas has no such method")
    return None


def check(plan: Plan, machine: Machine, listener: Listener) -> None:
    """All settings, and of every column the data of its first search and of its first training."""
    prepared: set[tuple[type[Recipe], str]] = set()
    for cell in plan.cells:
        if about(cell.row.method).searches:
            training_of(plan, cell, read_trainables(_TYPICAL))
            recipe: Recipe = search(plan, cell)
            where = replace(machine, cluster=None)
        else:
            recipe, where = training(plan, cell), machine
        kind = type(recipe), cell.column.key
        if kind not in prepared:
            recipe.prepare(where, listener)
            prepared.add(kind)


def seconds(plan: Plan, cell: Cell, machine: Machine) -> float:
    """Of a search: it, and one training for each test task, unless the searched network answers itself."""
    if not about(cell.row.method).searches:
        return estimate_from_scratch(training(plan, cell), machine, ignore).total_seconds
    searching = search(plan, cell).prepare(replace(machine, cluster=None), ignore).estimate().total_seconds
    if cell.row.method in _ANSWERING:
        return searching
    recipe = training_of(plan, cell, read_trainables(_TYPICAL))
    return searching + recipe.settings.test_tasks * estimate_from_scratch(recipe, machine, ignore).total_seconds


def measure(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> TrainResult | AdaptResult:
    """Train the method's network, or what its search finds, or adapt the searched network."""
    if about(cell.row.method).searches:
        adapted = adapted_by(plan, cell, folder, replace(machine, cluster=None), listener)
        if cell.row.method in _ANSWERING:
            (result,) = read(adapted, kind=AdaptResult)
            return replace(result, run=str(adapted))  # a report reads the number there
        found = read_trainables(str(adapted))
        return run(lambda: training_of(plan, cell, found), TrainResult, folder / "train-eval", machine, listener)
    return run(lambda: training(plan, cell), TrainResult, folder / "train-eval", machine, listener)


def search(plan: Plan, cell: Cell) -> Search:
    """The search of a row; raises SettingsError."""
    share = 1.0 if cell.row.method in _ANSWERING else SEARCH_SHARE
    own = {"method": cell.row.method, **_tasks(plan, cell, share)}
    return Search(search_settings(plan.preset, own))


def training(plan: Plan, cell: Cell) -> FromScratch:
    """The training of a row's fixed network; raises SettingsError."""
    network = cell.row.network or NETWORK
    return _from_scratch(plan, cell, read_trainables(network), cell.row.method, 1.0)


def training_of(plan: Plan, cell: Cell, genotypes: Sequence[TrainableRecord]) -> FromScratch:
    """The training of what a search found; within a time limit, of the most frequent genotype. Raises SettingsError."""
    return _from_scratch(plan, cell, genotypes, _TRAINED_BY.get(cell.row.method, "maml"), 1 - SEARCH_SHARE)


def adapted_by(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> Path:
    """The file of what test tasks make of a search; the search is done first where it is not done yet."""
    file = folder / ADAPTED
    if file.is_file():
        return file
    recipe = search(plan, cell)
    found = run(lambda: recipe, SearchResult, folder / "search", machine, listener)
    tasks = training_of(plan, cell, read_trainables(_TYPICAL)).settings.test_tasks
    decoded_in_time = plan.seconds_each is not None and cell.row.method not in _ANSWERING
    records, result = adapt_dataset(
        found.checkpoint,
        plan.dataset,
        tasks=min(tasks, ADAPTED_IN_TIME) if decoded_in_time else tasks,
        protocol=recipe.settings.protocol or None,
        machine=machine,
        listener=listener,
    )
    write_text(file, "".join(map(writing.line, (*records, result))))
    return file


def _from_scratch(plan: Plan, cell: Cell, records: Sequence[TrainableRecord], method: str, share: float) -> FromScratch:
    limit = None if plan.seconds_each is None else 1
    given: dict[str, Any] = {"method": method, **_tasks(plan, cell, share)}
    given |= {} if plan.wish.test_tasks is None else {"test_tasks": plan.wish.test_tasks}
    if cell.row.order is not None and ORDER in about(method).reads:
        given["order"] = cell.row.order
    return FromScratch(settings_for(records, plan.preset, given, trainings=limit), records, limit, side_by_side=None)


def _tasks(plan: Plan, cell: Cell, share: float) -> dict[str, Any]:
    """The settings of the table's tasks, within a share of the cell's time."""
    given = {**plan.data, "way": plan.table.way, "shot": cell.column.shot}
    return given if plan.seconds_each is None else given | {"hours": share * plan.seconds_each / 3600}
