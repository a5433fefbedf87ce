"""Tables 7 and 8: published cells, each network trained for as many epochs as there is time for; and the baseline of
Table 7 that draws its own."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

from tnas_cli.commands.reproduction.continued import run
from tnas_cli.commands.reproduction.plan import Cell, Plan
from tnas_cli.methods import transfer as training
from tnas_cli.recipes.trainable import TrainableRecord, read_trainables
from tnas_cli.recipes.transfer import Transfer, transfer_settings
from tnas_cli.records.results import TransferResult
from tnas_cli.report.paper_tables import PaperRow, PaperTable
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.known_genotypes import KNOWN

#: A small network: an epoch of the paper's takes hours on a few cores.
IN_TIME = "quick"
#: Steps that are timed, after one that is not.
MEASURED_STEPS = 3
#: A batch that is only answered for costs about a third of one that is learned from.
ANSWERED = 1 / 3
#: The row that draws its genotypes, and the share of its epochs that choose one: 24 times 100 of 3,000.
RANDOM, CHOICE_SHARE = "random", 0.8


def beyond(table: PaperTable) -> tuple[PaperRow, ...]:
    """None."""
    return ()


def why_not(row: PaperRow) -> str | None:
    """A row needs published cells, or draws its own."""
    if row.method == RANDOM or _named(row.method) is not None:
        return None
    if row.method == "t-nas":
        return "its cells come from a search on another data set: tnas adapt --json, and then tnas transfer"
    return "no source publishes its cells in a form that can be built"


def differs(row: PaperRow) -> str | None:
    """Of the row that draws its own."""
    if row.method != RANDOM:
        return None
    return (
        "genotypes that are drawn here, with sources and operations equally likely, since the publication does not say "
        "how; its chosen one was trained ten times, here once"
    )


def check(plan: Plan, machine: Machine, listener: Listener) -> None:
    """The settings and the data."""
    for drawing in (False, True):
        cells = [cell for cell in plan.cells if (cell.row.method == RANDOM) == drawing]
        if cells:
            _recipe(plan, cells[0]).prepare(machine, listener)


def seconds(plan: Plan, cell: Cell, machine: Machine) -> float:
    """All epochs of the preset, or those that there is time for."""
    epoch = _seconds_per_epoch(_recipe(plan, cell), machine)
    s = _recipe(plan, cell, epoch).settings
    choice = s.genotypes * s.choice_epochs if cell.row.method == RANDOM else 0
    return (s.epochs + choice) * epoch


def measure(plan: Plan, cell: Cell, folder: Path, machine: Machine, listener: Listener) -> TransferResult:
    """Train and measure the cells."""

    def make() -> Transfer:
        recipe = _recipe(plan, cell)
        if plan.seconds_each is None:
            return recipe
        return _recipe(plan, cell, _seconds_per_epoch(recipe, machine))

    return run(make, TransferResult, folder / "transfer", machine, listener)


def _named(method: str) -> str | None:
    """The name of the published cells that a method found."""
    return next((known.name for known in KNOWN if known.method == method), None)


def _recipe(plan: Plan, cell: Cell, epoch: float | None = None) -> Transfer:
    """With the preset's epochs, or, if an epoch takes so many seconds, with as many as fit into the cell's time; at
    least one."""
    drawing = cell.row.method == RANDOM
    given = plan.data | ({"method": RANDOM} if drawing else {})
    settings = transfer_settings(plan.preset, given)
    if epoch and plan.seconds_each is not None:
        share = plan.seconds_each / epoch
        given["epochs"] = max(1, int(share - CHOICE_SHARE * share if drawing else share))
        if drawing:
            given["choice_epochs"] = max(1, int(CHOICE_SHARE * share / settings.genotypes))
        settings = transfer_settings(plan.preset, given)
    records: list[TrainableRecord] = [] if drawing else read_trainables(_named(cell.row.method) or "")
    return Transfer(settings, records)


def _seconds_per_epoch(recipe: Transfer, machine: Machine) -> float:
    """By a few steps of a training that is thrown away, on a cluster by one thread, as a unit there has; the validation
    that follows an epoch is estimated."""
    threads = machine.threads if machine.cluster is None else 1
    work = recipe.prepare(replace(machine, cluster=None, threads=threads), ignore)
    shape = training.shape_of(work.settings, work.train)
    cells = work.chosen[0][0] if work.chosen else Cells.of(work.candidates[0])
    state = training.start(cells, shape, work.settings, work.device)
    times = []
    steps = training.train(state, work.train, None, work.settings, work.device)
    for _ in islice(steps, MEASURED_STEPS + 1):
        times.append(time.perf_counter())
    if len(times) < 2:
        return 0.0
    each = statistics.median(after - before for before, after in pairwise(times))
    learned = training.steps_per_epoch(len(work.train), work.settings.batch)
    answered = 0 if work.validation is None else len(work.validation) / work.settings.batch
    return each * (learned + ANSWERED * answered)
