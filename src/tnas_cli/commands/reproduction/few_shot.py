"""Tables 2, 3 and 6: a method's network is trained on tasks, or what its search finds for test tasks; BASE's searched
network answers itself.

A row that is named can also be any other method of tnas, or soft pruning, which trains no network from scratch. The
paper has no numbers for these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

from tnas_cli.commands.adapt import adapt_dataset
from tnas_cli.commands.reproduction.continued import run
from tnas_cli.commands.reproduction.plan import Cell, Plan
from tnas_cli.errors import SettingsError
from tnas_cli.methods.meta_learn import Plan as Schedule
from tnas_cli.methods.registry import about, all_about, search_method
from tnas_cli.recipes.data import open_data, smallest_class
from tnas_cli.recipes.estimate import seconds_of
from tnas_cli.recipes.estimate_training import estimate_from_scratch, seconds_after
from tnas_cli.recipes.from_scratch import FromScratch
from tnas_cli.recipes.inherited import Inherited, checkpoint_of
from tnas_cli.recipes.search import Search
from tnas_cli.recipes.search_settings import search_settings
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.recipes.trainable import TrainableRecord, read_trainables
from tnas_cli.records import writing
from tnas_cli.records.reading import read
from tnas_cli.records.results import AdaptResult, SearchResult, TrainResult
from tnas_cli.report.paper_tables import PaperRow, PaperTable
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.files import write_text
from tnas_cli.runs.recipe import Recipe
from tnas_cli.settings.features import ORDER

#: The network of a row that names none; a method with an architecture of its own takes its place.
NETWORK = "4conv"
#: The networks of methods that train no other: as published, with eight million weights, and the narrowest one.
_OWN_NETWORKS = {"tadam": ("resnet12-64", "resnet12-8"), "mtl": ("resnet12-mtl-64", "resnet12-mtl-8")}
#: The nearest system to T-NAS: its search, and instead of trainings the weights that the search learned.
METANAS = PaperRow("metanas", "Soft pruning (after MetaNAS)", "Elsken et al., 2020", {}, {}, "", training="t-nas")
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

#: Rows whose experiment was not published as a whole, and what takes the place of the rest.
_DIFFERS = dict.fromkeys(
    ("auto-meta-small", "auto-meta-large"),
    "the published cell, in a row of cells whose depth and width are solved for the paper's number of weights, by "
    "Reptile with Reptile's own settings; those of Auto-Meta were found in no source",
) | dict.fromkeys(_ANSWERING, "our reading of the method: nothing published describes its few-shot experiment")


def beyond(table: PaperTable) -> tuple[PaperRow, ...]:
    """All methods that the table does not have, and soft pruning."""
    own = {row.method for row in table.rows}
    others = (PaperRow(name, of.title, "", {}, {}, "") for name, of in all_about().items() if name not in own)
    return (*others, METANAS)


class End(Enum):
    """What the number of a row is that of."""

    FIXED = "a network that is trained, without a search"
    DECODED = "what a search finds for test tasks, trained from scratch"
    INHERITED = "what a search finds for test tasks, with the weights of the search"
    SEARCHED = "the searched network itself, adapted to test tasks"


def end_of(row: PaperRow) -> End:
    """What the number of this row is that of."""
    if not about(row.measured_by).searches:
        return End.FIXED
    if row is METANAS:
        return End.INHERITED
    return End.SEARCHED if row.method in _ANSWERING else End.DECODED


def why_not(row: PaperRow) -> str | None:
    """A row needs a method of its name, or of that which trains its network."""
    try:
        about(row.measured_by)
    except SettingsError:
        return "tnas has no such method"
    return None


def differs(row: PaperRow) -> str | None:
    """Of rows whose experiment was published in part."""
    return _DIFFERS.get(row.method)


def check(plan: Plan, machine: Machine, listener: Listener) -> None:
    """All settings, and of every column the data of its first search and of its first training."""
    if plan.wish.limit is not None and all(end_of(cell.row) is not End.DECODED for cell in plan.cells):
        raise SettingsError("--limit has no effect: no row trains what a search found.", hint="leave it out")
    prepared: set[tuple[type[Recipe], str]] = set()
    for cell in plan.cells:
        if end_of(cell.row) is End.FIXED:
            recipe: Recipe = training(plan, cell)
            where = machine
        else:
            training_of(plan, cell, read_trainables(_TYPICAL))
            recipe = search(plan, cell, machine, listener)
            where = replace(machine, cluster=None)
        kind = type(recipe), cell.column.key
        if kind not in prepared:
            recipe.prepare(where, listener)
            prepared.add(kind)


def seconds(plan: Plan, cell: Cell, machine: Machine) -> float:
    """A search, what it makes of test tasks, and the trainings of what it found, one after another; or one training.
    With the tests and the validations that a time limit does not bound."""
    end = end_of(cell.row)
    if end is End.FIXED:
        return estimate_from_scratch(training(plan, cell), machine, ignore).total_seconds
    recipe = training_of(plan, cell, read_trainables(_TYPICAL))
    wanted = search(plan, cell, machine, ignore)
    found = wanted.prepare(replace(machine, cluster=None), ignore).estimate()
    each = found.seconds_per_validation / wanted.settings.validation_tasks  # of a task that is adapted and answered
    before = found.total_seconds + each * _to_adapt(plan, cell)
    if end is End.SEARCHED:
        return before
    if end is End.INHERITED:  # its one training goes on as the search went
        inherits = Schedule.of(recipe.settings)
        learning = min(inherits.seconds, seconds_of(inherits, found.seconds_per_step, found.seconds_per_validation))
        return before + learning + each * recipe.settings.test_tasks
    one = estimate_from_scratch(recipe, machine, ignore)
    tests = seconds_after(one.seconds_per_validation, recipe.settings)
    learning = one.total_seconds - tests
    count = min(recipe.settings.test_tasks, _trainings(plan) or recipe.settings.test_tasks)
    most = math.inf if plan.seconds_each is None else (1 - SEARCH_SHARE) * plan.seconds_each
    return before + min(count * learning, most) + count * tests


def measure(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> TrainResult | AdaptResult:
    """Train the method's network, or what its search finds, or adapt the searched network."""
    end = end_of(cell.row)
    if end is End.FIXED:
        return _trained(lambda: training(plan, cell), folder, machine, listener)
    adapted = adapted_by(plan, cell, folder, replace(machine, cluster=None), listener)
    if end is End.SEARCHED:
        (result,) = read(adapted, kind=AdaptResult)
        return replace(result, run=str(adapted))  # a report reads the number there
    found = read_trainables(str(adapted))
    of = inheriting if end is End.INHERITED else training_of
    return _trained(lambda: of(plan, cell, found), folder, machine, listener)


def _trained(make: Callable[[], Recipe], folder: Path, machine: Machine, listener: Listener) -> TrainResult:
    return run(make, TrainResult, folder / "train-eval", machine, listener)


def search(plan: Plan, cell: Cell, machine: Machine, listener: Listener) -> Search:
    """The search of a row, with fewer query images than the preset has where the method divides a class's images and
    no more are left; raises SettingsError and DataError."""
    share = 1.0 if end_of(cell.row) is End.SEARCHED else SEARCH_SHARE
    own = {"method": cell.row.measured_by, **_tasks(plan, cell, share)}
    settings = search_settings(plan.preset, own)
    images = smallest_class(open_data(settings.dataset, settings.protocol, machine, listener), "train", "val")
    in_task = search_method(settings.method).stream.images_of_class(images)
    query = in_task - settings.shot
    if in_task < images and 0 < query < settings.query:
        listener(Note(f"{cell.name}: a task of its search holds {in_task} of a class's {images} images, {query} query"))
        settings = settings.replace(query=query)
    return Search(settings)


def training(plan: Plan, cell: Cell) -> FromScratch:
    """The training of a row's fixed network, or within a time limit of a narrow one in place of the widest; raises
    SettingsError."""
    own = cell.row.network_in(cell.column.key) or NETWORK
    published, narrow = _OWN_NETWORKS.get(cell.row.method, (own, own))
    network = narrow if plan.seconds_each is not None and plan.preset == IN_TIME else published
    return _from_scratch(plan, cell, read_trainables(network), cell.row.measured_by, 1.0)


def training_of(plan: Plan, cell: Cell, genotypes: Sequence[TrainableRecord]) -> FromScratch:
    """The training of what a search found; within a time limit, of the most frequent genotype, unless the wish says how
    many. Raises SettingsError."""
    return _from_scratch(plan, cell, genotypes, _TRAINED_BY.get(cell.row.method, "maml"), 1 - SEARCH_SHARE)


def inheriting(plan: Plan, cell: Cell, genotypes: Sequence[TrainableRecord]) -> Inherited:
    """What a search found, each genotype with the search's weights on its own test task; raises SettingsError."""
    given = _tasks(plan, cell, 1 - SEARCH_SHARE)
    settings = settings_for(genotypes, plan.preset, given, trainings=1, weights="inherited")
    return Inherited(settings, genotypes, checkpoint_of(genotypes))


def adapted_by(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> Path:
    """The file of what test tasks make of a search; the search is done first where it is not done yet."""
    file = folder / ADAPTED
    if file.is_file():
        return file
    recipe = search(plan, cell, machine, listener)
    found = run(lambda: recipe, SearchResult, folder / "search", machine, listener)
    records, result = adapt_dataset(
        found.checkpoint,
        plan.dataset,
        tasks=_to_adapt(plan, cell),
        protocol=recipe.settings.protocol or None,
        machine=machine,
        listener=listener,
    )
    write_text(file, "".join(map(writing.line, (*records, result))))
    return file


def _to_adapt(plan: Plan, cell: Cell) -> int:
    """How many test tasks a search is adapted to."""
    tasks = training_of(plan, cell, read_trainables(_TYPICAL)).settings.test_tasks
    few = plan.seconds_each is not None and end_of(cell.row) is End.DECODED
    return min(tasks, ADAPTED_IN_TIME) if few else tasks


def _trainings(plan: Plan) -> int | None:
    """How many genotypes of a search are trained; None for all."""
    return plan.wish.limit or (None if plan.seconds_each is None else 1)


def _from_scratch(plan: Plan, cell: Cell, records: Sequence[TrainableRecord], method: str, share: float) -> FromScratch:
    limit = _trainings(plan)
    given: dict[str, Any] = {"method": method, **_tasks(plan, cell, share)}
    given |= {} if plan.wish.test_tasks is None else {"test_tasks": plan.wish.test_tasks}
    if cell.row.order is not None and ORDER in about(method).reads:
        given["order"] = cell.row.order
    return FromScratch(settings_for(records, plan.preset, given, trainings=limit), records, limit, side_by_side=None)


def _tasks(plan: Plan, cell: Cell, share: float) -> dict[str, Any]:
    """The settings of the table's tasks, within a share of the cell's time."""
    given = {**plan.data, "way": plan.table.way, "shot": cell.column.shot}
    return given if plan.seconds_each is None else given | {"hours": share * plan.seconds_each / 3600}
