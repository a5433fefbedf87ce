"""`tnas resume` as a function: continue a run of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tnas_cli.records.results import Result
from tnas_cli.runs import job
from tnas_cli.runs.changes import NONE, Changes
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.runs.recipe import Recipe


def _search() -> type[Recipe]:
    from tnas_cli.recipes.search import Search

    return Search


def _from_scratch() -> type[Recipe]:
    from tnas_cli.recipes.from_scratch import FromScratch

    return FromScratch


def _until() -> type[Recipe]:
    from tnas_cli.recipes.until import TrainUntil

    return TrainUntil


def _inherited() -> type[Recipe]:
    from tnas_cli.recipes.inherited import Inherited

    return Inherited


def _supervised() -> type[Recipe]:
    from tnas_cli.recipes.supervised import Supervised

    return Supervised


def _grow() -> type[Recipe]:
    from tnas_cli.recipes.grow import Grow

    return Grow


def _transfer() -> type[Recipe]:
    from tnas_cli.recipes.transfer import Transfer

    return Transfer


#: The recipe of each kind of run, imported only when such a run continues.
RECIPES: Mapping[str, Callable[[], type[Recipe]]] = {
    "search": _search,
    "train-eval": _from_scratch,
    "until": _until,
    "inherited": _inherited,
    "supervised": _supervised,
    "transfer": _transfer,
    "grow": _grow,
}


def resume(run: Path, *, changes: Changes = NONE, machine: Machine = HERE, listener: Listener = ignore) -> Result:
    """Continue the run in a folder; returns the result that it would have had without the stop.

    It keeps its settings, data, engine and options, whatever the working directory; `changes`, and what `machine`
    names, replace them. A finished run is left as it is, and its result is returned again (`again` is true), unless the
    changes give it more to do. Raises DataError, SettingsError, CheckpointError, TnasError if another process works on
    the run, and Interrupted with everything saved.
    """
    return job.resume(run, RECIPES, changes=changes, machine=machine, listener=listener)
