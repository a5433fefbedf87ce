"""`tnas supervised` as a function: Section 5.3, supervised learning on a few larger tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tnas_cli.recipes.supervised import Supervised
from tnas_cli.recipes.trainable import TrainableRecord
from tnas_cli.records.results import SupervisedResult
from tnas_cli.runs import job
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.supervised import SupervisedSettings

RUNS = Path("runs")


def supervised(
    records: Sequence[TrainableRecord],
    settings: SupervisedSettings,
    *,
    checkpoint: Path | None = None,
    runs: Path = RUNS,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> SupervisedResult:
    """Find the genotypes of each task, train them on it from scratch, and measure them on its query images.

    records: the genotypes for method 'given', otherwise none. checkpoint: the meta-architecture for method 't-nas'.
    Raises GenotypeError, CheckpointError, SettingsError, DataError, and Interrupted with what was found and the
    finished networks saved.
    """
    recipe = Supervised(settings, records, checkpoint)
    return job.start(recipe, SupervisedResult, runs=runs, machine=machine, listener=listener)
