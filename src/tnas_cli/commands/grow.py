"""`tnas grow` as a function: a cell that grows node by node, by short trainings and a predictor."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.recipes.estimate_growing import estimate
from tnas_cli.recipes.grow import Grow
from tnas_cli.records.other_results import GrowEstimate
from tnas_cli.records.results import GrowResult
from tnas_cli.runs import job
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.grow import GrowSettings

RUNS = Path("runs")


def grow(
    settings: GrowSettings, *, runs: Path = RUNS, machine: Machine = HERE, listener: Listener = ignore
) -> GrowResult:
    """Search a cell as Auto-Meta does, as a new run in the folder `runs`, which keeps its genotype in `chosen.jsonl`.

    Raises SettingsError, DataError, TnasError for an unwritable folder, and Interrupted with everything saved.
    """
    return job.start(Grow(settings), GrowResult, runs=runs, machine=machine, listener=listener)


def estimate_growing(settings: GrowSettings, *, machine: Machine = HERE, listener: Listener = ignore) -> GrowEstimate:
    """What `grow` will cost, measured on one cell of each size; nothing is written, except a data set that has to
    be prepared first."""
    return estimate(Grow(settings), machine, listener)
