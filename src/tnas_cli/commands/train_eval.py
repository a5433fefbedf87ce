"""`tnas train-eval` as functions: train networks from scratch, or let them inherit weights, and measure them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tnas_cli.recipes.estimate_training import HERE_AND_FREE, Bill, estimate_from_scratch, estimate_inherited
from tnas_cli.recipes.from_scratch import FromScratch
from tnas_cli.recipes.inherited import Inherited, checkpoint_of
from tnas_cli.recipes.several_seeds import over_seeds
from tnas_cli.recipes.together import do_together
from tnas_cli.recipes.train_network import STAGE
from tnas_cli.recipes.trainable import TrainableRecord
from tnas_cli.recipes.until import TrainUntil
from tnas_cli.records.other_results import TrainEstimate
from tnas_cli.records.results import TrainResult
from tnas_cli.runs import job
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.train import TrainSettings

RUNS = Path("runs")


def train_eval(
    records: Sequence[TrainableRecord],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    side_by_side: int | None = 1,
    seeds: int = 1,
    until: float | None = None,
    runs: Path = RUNS,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> TrainResult:
    """Train each distinct network once from scratch and measure it on the stored test tasks (Section 5.2.2).

    limit: train only this many of the most frequent genotypes. side_by_side: genotypes trained at a time, each in a
    process of its own; None: as many as make it faster. seeds: the number of seeds to repeat it with, each in a run of
    its own. until: go on until the half-width of the interval, a share of 1, is at most this; all in one run, which
    begins with `seeds`. Raises SettingsError, GenotypeError, DataError, and Interrupted with everything saved.
    """
    if until is not None:
        growing = TrainUntil(settings, records, until, limit, side_by_side, seeds)
        return job.start(growing, TrainResult, runs=runs, machine=machine, listener=listener)

    def once(seeded: TrainSettings) -> TrainResult:
        recipe = FromScratch(seeded, records, limit, side_by_side)
        return job.start(recipe, TrainResult, runs=runs, machine=machine, listener=listener)

    def together(seeded: Sequence[TrainSettings]) -> list[TrainResult]:
        recipes = [FromScratch(one, records, limit, side_by_side) for one in seeded]
        return job.start_all(
            recipes, TrainResult, partial(do_together, STAGE), runs=runs, machine=machine, listener=listener
        )

    return over_seeds(once, settings, seeds, None if machine.cluster is None else together)


def estimate_training(
    records: Sequence[TrainableRecord],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    side_by_side: int | None = 1,
    bill: Bill = HERE_AND_FREE,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> TrainEstimate:
    """What `train_eval` will cost, measured on the first network, times the number of distinct ones; and what the
    paper's cell would cost, and a tenth of it."""
    return estimate_from_scratch(FromScratch(settings, records, limit, side_by_side), machine, listener, bill)


def inherit(
    records: Sequence[TrainableRecord],
    settings: TrainSettings,
    *,
    checkpoint: Path | None = None,
    all_tasks: bool = False,
    cross: int | None = None,
    runs: Path = RUNS,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> TrainResult:
    """Measure genotypes with the weights of the search that found them, after one short meta-training for all.

    checkpoint: the best.pt of that search; None: the one that the records name. all_tasks: each genotype on all test
    tasks, not only on the one that decoded to it. cross: also on the tasks of so many genotypes after it and before it,
    which `tnas report --advantage` reads. Raises SettingsError, GenotypeError, DataError, CheckpointError, and
    Interrupted with everything saved.
    """
    recipe = Inherited(settings, records, checkpoint or checkpoint_of(records), all_tasks, cross)
    return job.start(recipe, TrainResult, runs=runs, machine=machine, listener=listener)


def estimate_inheriting(
    records: Sequence[TrainableRecord],
    settings: TrainSettings,
    *,
    checkpoint: Path | None = None,
    all_tasks: bool = False,
    cross: int | None = None,
    bill: Bill = HERE_AND_FREE,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> TrainEstimate:
    """What `inherit` will cost, measured on this machine."""
    recipe = Inherited(settings, records, checkpoint or checkpoint_of(records), all_tasks, cross)
    return estimate_inherited(recipe, machine, listener, bill.price)
