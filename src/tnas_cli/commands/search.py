"""`tnas search` as a function: learn a meta-architecture (Algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tnas_cli.recipes.search import STAGE, Search
from tnas_cli.recipes.several_seeds import search_over_seeds
from tnas_cli.recipes.together import do_together
from tnas_cli.records.other_results import SearchEstimate
from tnas_cli.records.results import SearchResult
from tnas_cli.runs import job
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.search import SearchSettings

RUNS = Path("runs")


def search(
    settings: SearchSettings,
    *,
    seeds: int = 1,
    runs: Path = RUNS,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> SearchResult:
    """Learn a meta-architecture on a data set's training tasks, as a new run in the folder `runs`.

    seeds: the number of seeds to repeat it with, each in a run of its own. Raises SettingsError, DataError, TnasError
    for an unwritable folder, and Interrupted with everything saved.
    """

    def once(seeded: SearchSettings) -> SearchResult:
        return job.start(Search(seeded), SearchResult, runs=runs, machine=machine, listener=listener)

    def together(seeded: Sequence[SearchSettings]) -> list[SearchResult]:
        recipes = [Search(one) for one in seeded]
        return job.start_all(
            recipes, SearchResult, partial(do_together, STAGE), runs=runs, machine=machine, listener=listener
        )

    return search_over_seeds(once, settings, seeds, None if machine.cluster is None else together)


def estimate_search(
    settings: SearchSettings, *, machine: Machine = HERE, listener: Listener = ignore
) -> SearchEstimate:
    """What the search will cost; nothing is written, except a data set that has to be prepared first."""
    return Search(settings).prepare(machine, listener).estimate()
