"""A run in a folder of its own: begun, or continued where an earlier call began it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tnas_cli.commands.resume import RECIPES
from tnas_cli.errors import DataError
from tnas_cli.records.results import Result
from tnas_cli.runs import job
from tnas_cli.runs.below import runs_below
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener
from tnas_cli.runs.recipe import Recipe

R = TypeVar("R", bound=Result)


def run(make: Callable[[], Recipe], kind: type[R], folder: Path, machine: Machine, listener: Listener) -> R:
    """The result of the one run in a folder, of the recipe that `make` returns if there is none yet. A finished run is
    not computed again. Raises TnasError."""
    before = runs_below(folder) if folder.is_dir() else []
    if not before:
        return job.start(make(), kind, runs=folder, machine=machine, listener=listener)
    found = job.resume(before[0], RECIPES, machine=machine, listener=listener)
    if not isinstance(found, kind):
        raise DataError(f"{before[0]} is a run of another kind.", hint="give another folder with --runs")
    return found
