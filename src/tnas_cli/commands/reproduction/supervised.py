"""Table 5: larger tasks, each network trained for as many epochs as there is time for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tnas_cli.commands.reproduction.continued import run
from tnas_cli.commands.reproduction.plan import Cell, Plan
from tnas_cli.errors import SettingsError
from tnas_cli.recipes.search import Search
from tnas_cli.recipes.search_settings import search_settings
from tnas_cli.recipes.supervised import Supervised, supervised_settings
from tnas_cli.records.results import SearchResult, SupervisedResult
from tnas_cli.report.paper_tables import PaperRow, PaperTable
from tnas_cli.runs import job
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, ignore

#: A few epochs are few, but the rates and the cosine of the paper suit them.
IN_TIME = "paper"
#: Of a cell's time, the search of a meta-architecture has this share, and the settings of this preset.
SEARCH_SHARE, SEARCH_IN_TIME = 0.5, "quick"
#: The paper's S1 and S2 search for a quarter of the epochs that a network is trained for.
SEARCH_EPOCHS = 0.25
_META = "t-nas"


def beyond(table: PaperTable) -> tuple[PaperRow, ...]:
    """None."""
    return ()


def why_not(row: PaperRow) -> str | None:
    """Every row is a method of `tnas supervised`."""
    return None


def differs(row: PaperRow) -> str | None:
    """Nothing is known."""
    return None


def check(plan: Plan, machine: Machine, listener: Listener) -> None:
    """The settings of every row, and the data."""
    if machine.tensorboard:
        raise SettingsError(f"--tensorboard has no effect in Table {plan.table.number}.", hint="leave it out")
    for cell in plan.cells:
        recipe = _recipe(plan, cell, None)
        if cell.row.method == _META:
            _search(plan).prepare(replace(machine, cluster=None), listener)
        else:
            recipe.prepare(machine, listener)


def seconds(plan: Plan, cell: Cell, machine: Machine) -> float:
    """The search, and the epochs of the preset or those that there is time for, by one epoch of one task."""
    settings = _recipe(plan, cell, None).settings
    if cell.row.method == _META:
        before = _search(plan).prepare(replace(machine, cluster=None), ignore).estimate().total_seconds
        searching, training = 0.0, _measured(plan, cell, None, machine, method="random", genotypes=1)[1]
    else:
        before, (searching, training) = 0.0, _measured(plan, cell, None, machine)
    if plan.seconds_each is not None:
        settings = settings.replace(**_for_epochs(cell, _that_fit(plan, cell, searching, training)))
    return before + settings.search_epochs * searching + settings.epochs * training


def measure(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> SupervisedResult:
    """Find the architectures, train and measure them."""
    checkpoint = None
    if cell.row.method == _META:
        checkpoint = Path(run(lambda: _search(plan), SearchResult, folder / "search", machine, listener).checkpoint)

    def make() -> Supervised:
        if plan.seconds_each is None:
            return _recipe(plan, cell, checkpoint)
        epochs = _epochs(plan, cell, checkpoint, machine)
        return _recipe(plan, cell, checkpoint, **_for_epochs(cell, epochs))

    return run(make, SupervisedResult, folder / "supervised", machine, listener)


def _search(plan: Plan) -> Search:
    """That of the meta-architecture, which has a preset of its own within a time limit."""
    given = dict(plan.data)
    if plan.seconds_each is not None:
        given["hours"] = SEARCH_SHARE * plan.seconds_each / 3600
    usual = "paper" if plan.seconds_each is None else SEARCH_IN_TIME
    return Search(search_settings(plan.wish.preset or usual, given))


def _recipe(plan: Plan, cell: Cell, checkpoint: Path | None, **more: Any) -> Supervised:
    given = {**plan.data, "method": cell.row.method, "way": plan.table.way, "shot": cell.column.shot, **more}
    given |= {} if plan.table.query is None else {"query": plan.table.query}
    return Supervised(supervised_settings(plan.preset, given), (), checkpoint)


def _for_epochs(cell: Cell, epochs: int) -> dict[str, int]:
    """The settings of a row that trains for so many epochs."""
    searches = cell.row.method in ("s1", "s2")
    return {"epochs": epochs} | ({"search_epochs": max(1, round(SEARCH_EPOCHS * epochs))} if searches else {})


def _epochs(plan: Plan, cell: Cell, checkpoint: Path | None, machine: Machine) -> int:
    """As many as fit into the cell's time, by a measurement."""
    return _that_fit(plan, cell, *_measured(plan, cell, checkpoint, machine))


def _that_fit(plan: Plan, cell: Cell, searching: float, training: float) -> int:
    """As many epochs as fit into the cell's time; at least one. searching, training: seconds of all tasks for each
    epoch of both."""
    share = plan.seconds_each or 0.0
    if cell.row.method == _META:  # its adaptation takes steps and no epochs
        return max(1, int(((1 - SEARCH_SHARE) * share - searching) / training))
    return max(1, int(share / (training + SEARCH_EPOCHS * searching)))


def _measured(plan: Plan, cell: Cell, checkpoint: Path | None, machine: Machine, **other: Any) -> tuple[float, float]:
    """Seconds of search and of training of all tasks for each epoch, by one epoch of one task here; on a cluster a unit
    has one thread."""
    one = _recipe(plan, cell, checkpoint, tasks=1, **_for_epochs(cell, 1), **other)
    where = replace(machine, cluster=None, threads=machine.threads if machine.cluster is None else 1)
    with TemporaryDirectory() as place:
        found = job.start(one, SupervisedResult, runs=Path(place), machine=where)
    tasks = _recipe(plan, cell, checkpoint).settings.tasks
    each, before = found.search_seconds or 0.0, found.search_seconds_before or 0.0  # before: on other tasks, once
    training = max(0.0, (found.wall_seconds or 0.0) - each - before)
    return each * tasks + before, training * tasks
