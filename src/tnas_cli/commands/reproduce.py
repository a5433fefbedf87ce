"""`tnas reproduce` as a function: measure the rows of a table of the paper, each in the same time or with its budget.

The folder of a reproduction holds a folder for each cell, and that one the cell's runs: what is finished there is not
computed again, and what was stopped continues.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import cast

from tnas_cli.commands.reproduction.plan import Cell, MeasuredCell, Plan, Rows, Wish, folder_of, plan_of
from tnas_cli.errors import DataError, Interrupted, SettingsError, TnasError, WriteError
from tnas_cli.records.reported import ReproducedCell, ReproduceResult
from tnas_cli.report.paper_tables import PaperColumn, PaperRow, paper_table
from tnas_cli.runs.called import argv
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.lock import locked
from tnas_cli.spelling import command, duration

RUNS = Path("runs")

#: What was asked for.
PLAN = "reproduction.json"

#: How the rows of each of the paper's settings are measured.
_ROWS = {"few-shot": "few_shot", "supervised": "supervised", "transfer": "transfer"}

Each = Callable[[ReproducedCell], None]


def reproduce(
    wish: Wish,
    *,
    runs: Path = RUNS,
    machine: Machine = HERE,
    each: Each = ignore,
    listener: Listener = ignore,
) -> ReproduceResult:
    """Measure the cells one after another; a cell that fails is set aside, and the others go on.

    runs: the folder that gets the folder of this reproduction, `table-<number>`. The same call again continues there.
    each: called with a cell as soon as it is measured. Raises SettingsError, also where the folder holds a reproduction
    with other options, DataError, WriteError, TnasError if another process works in the folder, and Interrupted with
    all finished steps saved.
    """
    plan, rows = _planned(wish)
    folder = folder_of(runs, wish)
    _check(plan, rows, machine, listener)
    _claim(folder, wish)
    found: dict[str, ReproducedCell] = {}
    with _continues(folder), locked(folder):
        for number, cell in enumerate(plan.cells, 1):
            listener(Note(f"{cell.name}, {number} of {len(plan.cells)}"))
            found[cell.folder] = _measured(plan, rows, cell, folder / cell.folder, machine, listener)
            each(found[cell.folder])
    return _result(plan, folder, lambda cell: found[cell.folder])


def estimate_reproduction(
    wish: Wish, *, runs: Path = RUNS, machine: Machine = HERE, listener: Listener = ignore
) -> ReproduceResult:
    """What the cells will cost, by what a few steps and test tasks of each take here: a limit of hours bounds the
    training alone. Raises SettingsError and DataError."""
    plan, rows = _planned(wish)
    _check(plan, rows, machine, listener)

    def planned(cell: Cell) -> ReproducedCell:
        listener(Note(f"measuring {cell.name}, {plan.cells.index(cell) + 1} of {len(plan.cells)}"))
        return replace(_cell(cell, rows, "planned"), seconds=rows.seconds(plan, cell, machine))

    return _result(plan, folder_of(runs, wish), planned)


def _planned(wish: Wish) -> tuple[Plan, Rows]:
    table = paper_table(wish.table)
    rows = cast("Rows", import_module(f"tnas_cli.commands.reproduction.{_ROWS[table.setting]}"))
    return plan_of(wish, rows, table), rows


def _check(plan: Plan, rows: Rows, machine: Machine, listener: Listener) -> None:
    """Refuse before anything is computed; where the table's data are missing, others may stand in."""
    try:
        rows.check(plan, machine, listener)
    except DataError as error:
        if plan.wish.dataset is not None:
            raise
        raise DataError(error.message, hint=f"{error.hint}; or let another data set stand in, by --dataset") from error


def _measured(plan: Plan, rows: Rows, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> ReproducedCell:
    """A measured cell, or one that failed for a reason of its own. Its cost is said first where no hours limit it."""
    began = time.monotonic()
    try:
        if plan.seconds_each is None and not folder.exists():
            listener(Note(f"to expect {duration(rows.seconds(plan, cell, machine))}"))
        result = rows.measure(plan, cell, folder, machine, listener)
    except (Interrupted, WriteError):
        raise
    except TnasError as error:
        listener(Note(f"warning: {cell.name} failed: {error}"))
        return replace(_cell(cell, rows, "failed"), why=error.message, seconds=time.monotonic() - began)
    return replace(
        _cell(cell, rows, "measured"),
        mean=result.mean,
        interval=result.interval,
        parameters=None if result.parameters_mean is None else round(result.parameters_mean),
        trained=result.budget.training or result.budget.search,
        seconds=time.monotonic() - began,
        run=result.run,
        differs=_other_network(result, cell) or rows.differs(cell.row),
        set_aside=len(result.set_aside or ()) or None,
    )


def _other_network(result: MeasuredCell, cell: Cell) -> str | None:
    """The network, where it is not that of the paper's row."""
    published = cell.row.network_in(cell.column.key)
    if result.network is None or published in (None, result.network):
        return None
    return f"{result.network} in place of {published}"


def _claim(folder: Path, wish: Wish) -> None:
    """Keep what was asked for; raises SettingsError if the folder holds a reproduction with other options."""
    asked = {name: sorted(value) if isinstance(value, tuple) else value for name, value in asdict(wish).items()}
    file = folder / PLAN
    if file.is_file():
        before = read_json(file)
        for name, value in asked.items():
            if before.get(name) != value:
                raise SettingsError(
                    f"{folder} was made with {name} = {before.get(name)!r}, and not {value!r}.",
                    hint="give another folder with --runs, or the same options to continue",
                )
        return
    write_text(file, json.dumps(asked, indent=2) + "\n")


@contextmanager
def _continues(folder: Path) -> Iterator[None]:
    """A stop says how the whole reproduction continues, not only the run that was stopped."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as stop:
        raise Interrupted(
            f"stopped; all finished steps are saved in {folder}.", hint=f"continue with: {again()}"
        ) from stop


def again() -> str:
    """How a reproduction goes on."""
    words = argv()
    return "the same call" if words is None else command(*words)


def _cell(cell: Cell, rows: Rows, state: str) -> ReproducedCell:
    return replace(_of_paper(cell.row, cell.column, state), differs=rows.differs(cell.row))


def _of_paper(row: PaperRow, column: PaperColumn, state: str) -> ReproducedCell:
    return ReproducedCell(
        row=row.name, method=row.method, column=column.title, paper=row.cells.get(column.key), state=state
    )


def _result(plan: Plan, folder: Path, of: Callable[[Cell], ReproducedCell]) -> ReproduceResult:
    """The table's cells in its own order, those of rows that nothing measures among them; then those beyond it."""
    cells = {(id(cell.row), cell.column.key): cell for cell in plan.cells}
    columns = list(dict.fromkeys(cell.column for cell in plan.cells))
    why = {id(row): reason for row, reason in plan.left_out}
    found: list[ReproducedCell] = []
    for row in plan.table.rows:
        for column in columns:
            if id(row) in why:
                found.append(replace(_of_paper(row, column, "left out"), why=why[id(row)]))
            elif (id(row), column.key) in cells:
                found.append(of(cells[id(row), column.key]))
    return ReproduceResult(
        table=plan.table.number,
        title=plan.table.title,
        dataset=plan.dataset,
        paper_dataset=plan.table.dataset,
        preset=plan.preset,
        hours=plan.wish.hours,
        folder=str(folder),
        cells=tuple(found),
    )
