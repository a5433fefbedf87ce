"""`tnas transfer` as a function: Appendix D, cells on CIFAR-10 or ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tnas_cli.recipes.trainable import TrainableRecord
from tnas_cli.recipes.transfer import Transfer
from tnas_cli.records.results import TransferResult
from tnas_cli.runs import job
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.transfer import TransferSettings

RUNS = Path("runs")


def transfer(
    records: Sequence[TrainableRecord],
    settings: TransferSettings,
    *,
    limit: int | None = None,
    runs: Path = RUNS,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> TransferResult:
    """Train a network of each distinct genotype's cells from scratch, and measure it on the test images.

    limit: train only this many of the most frequent genotypes. Raises GenotypeError, SettingsError, DataError, and
    Interrupted with everything saved.
    """
    recipe = Transfer(settings, records, limit)
    return job.start(recipe, TransferResult, runs=runs, machine=machine, listener=listener)
