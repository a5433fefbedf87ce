"""Table 5: larger tasks, each network trained for as many epochs as there is time for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tnas_cli.commands.reproduction.continued import run
from tnas_cli.commands.reproduction.plan import Cell, Plan
from tnas_cli.recipes.search import Search
from tnas_cli.recipes.search_settings import search_settings
from tnas_cli.recipes.supervised import Supervised, supervised_settings
from tnas_cli.records.results import SearchResult, SupervisedResult
from tnas_cli.report.paper_tables import PaperRow
from tnas_cli.runs import job
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener

#: A few epochs are few, but the rates and the cosine of the paper suit them.
IN_TIME = "paper"
#: Of a cell's time, the search of a meta-architecture has this share.
SEARCH_SHARE = 0.5
#: The paper's S1 and S2 search for a quarter of the epochs that a network is trained for.
SEARCH_EPOCHS = 0.25
_META = "t-nas"


def why_not(row: PaperRow) -> str | None:
    """Every row is a method of `tnas supervised`."""
    return None


def check(plan: Plan, machine: Machine, listener: Listener) -> None:
    """The settings of every row, and the data."""
    for cell in plan.cells:
        if cell.row.method == _META:
            _search(plan).prepare(machine, listener)
        else:
            _recipe(plan, cell, None).prepare(machine, listener)


def seconds(plan: Plan, cell: Cell, machine: Machine) -> float | None:
    """Of the search alone where there is one: epochs on larger tasks are measured only when they are trained."""
    return None


def measure(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> SupervisedResult:
    """Find the architectures, train and measure them."""
    checkpoint = None
    if cell.row.method == _META:
        checkpoint = Path(run(lambda: _search(plan), SearchResult, folder / "search", machine, listener).checkpoint)

    def make() -> Supervised:
        epochs = None if plan.seconds_each is None else _epochs(plan, cell, checkpoint, machine)
        return _recipe(plan, cell, checkpoint, epochs)

    return run(make, SupervisedResult, folder / "supervised", machine, listener)


def _search(plan: Plan) -> Search:
    given = dict(plan.data)
    if plan.seconds_each is not None:
        given["hours"] = SEARCH_SHARE * plan.seconds_each / 3600
    return Search(search_settings("paper" if plan.seconds_each is None else "quick", given))


def _recipe(plan: Plan, cell: Cell, checkpoint: Path | None, epochs: int | None = None, **more: Any) -> Supervised:
    given = {**plan.data, "method": cell.row.method, "way": plan.table.way, "shot": cell.column.shot, **more}
    given |= {} if plan.table.query is None else {"query": plan.table.query}
    if epochs is not None:
        given["epochs"] = epochs
        given |= {"search_epochs": max(1, round(SEARCH_EPOCHS * epochs))} if cell.row.method in ("s1", "s2") else {}
    return Supervised(supervised_settings(plan.preset, given), (), checkpoint)


def _epochs(plan: Plan, cell: Cell, checkpoint: Path | None, machine: Machine) -> int:
    """As many as fit into the cell's time by the measurement of one epoch of one task; at least one."""
    whole = _recipe(plan, cell, checkpoint).settings
    one = _recipe(plan, cell, checkpoint, epochs=1, tasks=1)
    with TemporaryDirectory() as place:
        found = job.start(one, SupervisedResult, runs=Path(place), machine=replace(machine, tensorboard=False))
    searching = (found.search_seconds or 0.0) * whole.tasks + (found.search_seconds_before or 0.0)
    training = max(0.0, (found.wall_seconds or 0.0) - searching / whole.tasks) * whole.tasks
    share = (plan.seconds_each or 0.0) * (1 - SEARCH_SHARE if checkpoint is not None else 1)
    if cell.row.method == _META:  # its adaptation takes steps and no epochs
        return max(1, int((share - searching) / training))
    return max(1, int(share / (training + SEARCH_EPOCHS * searching)))
