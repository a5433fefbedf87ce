"""`tnas reproduce`: a table of the paper, measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, add_row, table
from tnas_cli.cli.effects import refuse_beside_dry_run
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import ESTIMATES, with_interval
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.runs.device import Machine
from tnas_cli.spelling import command, duration

if TYPE_CHECKING:
    from tnas_cli.records.reported import ReproducedCell, ReproduceResult


@flat
def reproduce(
    *,
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A table of the paper: table2 to table8.")],
    row: Annotated[
        list[str] | None,
        typer.Option(
            "--row",
            metavar="METHOD",
            help="Only this row, such as t-nas; also another method, or metanas; may be repeated.",
        ),
    ] = None,
    shot: Annotated[
        list[int] | None, typer.Option("--shot", metavar="N", help="Only this column; may be repeated.")
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            metavar="X",
            help="For all cells together, each with the same share; default: the preset's tasks.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="Settings; default: paper, and with --hours mostly quick."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", "-d", metavar="NAME", help="Stands in for the paper's data set."),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", metavar="NAME", help="Split protocol of the data set.")
    ] = None,
    test_tasks: Annotated[
        int | None,
        typer.Option("--test-tasks", callback=options.at_least(2), metavar="N", help="Test tasks; default: 600."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            callback=options.at_least(1),
            metavar="N",
            help="Train the N most frequent genotypes of a search; default: all, and with --hours one.",
        ),
    ] = None,
    seed: options.Seed = None,
    dry_run: options.DryRun = False,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster("allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Measure the rows of a table, and print the paper's numbers and ours in separate columns.

    A method that searches gets half of its cell's time for the search, and half for training the genotype that it
    finds most often for test tasks; BASE's searched network answers itself, after a search of the whole time. Without
    --hours every network gets the preset's tasks, and a search trains a genotype for each test task: see --dry-run
    first, and --limit. Ctrl-C saves, and the same command continues.
    """
    from tnas_cli.commands.reproduce import again, estimate_reproduction
    from tnas_cli.commands.reproduce import reproduce as work
    from tnas_cli.commands.reproduction.plan import Wish

    number = re.fullmatch(r"(?:table[ -]?)?(\d+)", name.strip().lower())
    if number is None:
        raise SettingsError(f"{name!r} is not a table.", hint="for example: tnas reproduce table2 --hours 2")
    if hours is not None and not hours > 0:
        raise SettingsError(f"--hours is {hours}.", hint="choose a number above 0")
    columns = tuple(row or ()), tuple(shot or ())
    wish = Wish(int(number[1]), *columns, dataset, protocol, hours, preset, test_tasks, seed or 0, limit)
    if dry_run:
        refuse_beside_dry_run(1, machine)
    with screen.progress() as listener:
        if dry_run:
            found = estimate_reproduction(wish, runs=runs, machine=machine, listener=listener)
        else:
            found = work(wish, runs=runs, machine=machine, each=lambda cell: _said(screen, cell), listener=listener)
    if screen.as_json:
        screen.record(found.to_json())
    else:
        _show(screen, found, dry_run)
    failed = [cell for cell in found.cells if cell.state == "failed"]
    if failed:
        raise TnasError(f"{len(failed)} of {len(found.cells)} cells failed.", hint=f"try them again with: {again()}")


def _said(screen: Screen, cell: ReproducedCell) -> None:
    """A cell as soon as it is measured."""
    if screen.as_json:
        screen.record({"event": "cell", **cell.to_json()})
    elif cell.mean is not None:
        paper = "not in the paper" if cell.paper is None else f"paper: {cell.paper}"
        screen.say(f"{cell.row} {cell.column}: {_ours(cell)} ({paper})")


def _show(screen: Screen, found: ReproduceResult, dry_run: bool) -> None:
    screen.text(f"Table {found.table}: {found.title}")
    screen.show(_costs(found) if dry_run else _numbers(found))
    if found.dataset != found.paper_dataset:
        screen.say(f"ours is on {found.dataset}, the paper's on {found.paper_dataset}: these are other tasks")
    for cell in found.cells:
        if cell.state == "failed":
            screen.say(f"{cell.row} {cell.column} failed: {cell.why}", always=True)
        elif cell.set_aside is not None:
            screen.say(f"{cell.row} {cell.column}: {cell.set_aside} set aside, see {cell.run}", always=True)
    for row, why in {cell.row: cell.why for cell in found.cells if cell.state == "left out"}.items():
        screen.say(f"{row}: {why}", always=True)
    for row, other in {cell.row: cell.differs for cell in found.cells if cell.differs is not None}.items():
        screen.say(f"{row} differs from the paper: {other}", always=True)
    if any(cell.paper is None for cell in found.cells):
        screen.say("rows without a number of the paper are not in its table")
    limit = f"the budgets of preset {found.preset}" if found.hours is None else f"{found.hours:g} h in all"
    if dry_run:
        seconds = sum(cell.seconds or 0 for cell in found.cells)
        screen.say(
            f"{limit}; with tests" if found.hours is None else f"{limit} of search and training; tests come after"
        )
        screen.facts([("total to expect", duration(seconds))], ESTIMATES)
        return
    screen.say(f"{limit}; mean ± 95% interval: the report says over what, and what each number cost")
    answered = [Path(cell.run) for cell in found.cells if cell.run is not None and Path(cell.run).is_file()]
    screen.next(command("tnas", "report", Path(found.folder), *answered, "--table", str(found.table)))


def _numbers(found: ReproduceResult) -> Table:
    """The paper's columns, ours, and what ours had."""
    columns = list(dict.fromkeys(cell.column for cell in found.cells))
    paper, ours = ([f"{whose} {title}" for title in columns] for whose in ("paper", "ours"))
    drawn = table(("method", *paper, *ours, "weights", "trained on"), overflow="fold")
    drawn.box = box.SIMPLE
    beyond = False
    for cells in _rows(found):
        if cells[0].paper is None and not beyond:
            drawn.add_section()
            beyond = True
        weights = dict.fromkeys(f"{cell.parameters:,}" for cell in cells if cell.parameters is not None)
        trained = dict.fromkeys(
            f"{cell.trained.amount:,} {cell.trained.unit}" for cell in cells if cell.trained is not None
        )
        add_row(
            drawn,
            cells[0].row,
            *(cell.paper or "" for cell in cells),
            *map(_ours, cells),
            list(weights),
            list(trained),
        )
    return drawn


def _ours(cell: ReproducedCell) -> str:
    """The measured number as the column has it: an accuracy, or an error."""
    if cell.mean is None:
        return cell.state if cell.state == "failed" else ""
    return with_interval(1 - cell.mean if "error" in cell.column else cell.mean, cell.interval)


def _costs(found: ReproduceResult) -> Table:
    columns = list(dict.fromkeys(cell.column for cell in found.cells))
    drawn = table(("method", *columns))
    drawn.box = box.SIMPLE
    for cells in _rows(found):
        add_row(drawn, cells[0].row, *("" if cell.seconds is None else duration(cell.seconds) for cell in cells))
    return drawn


def _rows(found: ReproduceResult) -> list[list[ReproducedCell]]:
    """The cells of each row: a table may have two of the same method."""
    rows: dict[tuple[str, str], list[ReproducedCell]] = {}
    for cell in found.cells:
        rows.setdefault((cell.row, cell.method), []).append(cell)
    return list(rows.values())
