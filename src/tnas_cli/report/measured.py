"""Which results count as measurements, and what a table reads from one."""

from __future__ import annotations

from collections.abc import Iterable

from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Record
from tnas_cli.records.parts import Accuracy, Amount
from tnas_cli.records.results import AdaptResult, Measured

SETTINGS = ("few-shot", "supervised", "transfer")


def measurements(records: Iterable[Record]) -> list[Measured]:
    """The measurements among records, in order; a later one of the same kind, tasks and run replaces an earlier.

    An adaptation to tasks without labelled query images only predicts; it measures nothing.
    """
    found: dict[tuple[object, ...], Measured] = {}
    for number, record in enumerate(records):
        if isinstance(record, Measured) and record.mean is not None:
            run: object = record.run if record.run is not None else number
            kind = (record.command, record.method, record.network, record.dataset, record.protocol, record.split)
            found[run, *kind, record.way, record.shot, record.tasks, record.seed] = record
    return list(found.values())


def accuracy_of(m: Measured) -> Accuracy:
    """Mean and interval of a measurement, as shares of 1; raises DataError for a result that measured nothing."""
    if m.mean is None:
        raise DataError(f"the result of {m.run} has no accuracy.", hint="label the query images of its tasks")
    return Accuracy(mean=m.mean, interval=m.interval or 0.0)


def has_interval(m: Measured) -> bool:
    """Whether the interval says something: one task has none."""
    return m.interval is not None and ((m.tasks or 1) > 1 or m.interval > 0)


def is_adapted(m: Measured) -> bool:
    """Whether it measured what `tnas adapt` made of a checkpoint; every other result measured what a run trained."""
    return isinstance(m, AdaptResult)


def dataset_of(m: Measured) -> str:
    """The data set, or the words that replace it for a user's own task folders."""
    return m.dataset or "task folders"


def split_of(m: Measured) -> str:
    """The split that the tasks come from, or that they were given by the user."""
    return m.split or "given"


def seeds_of(m: Measured) -> tuple[int, ...]:
    """The seed, or all of them."""
    return m.seeds or (m.seed,)


def search_tasks(m: Measured) -> int | None:
    """How many tasks the search had."""
    return _amount(m.budget.search, "tasks")


def tasks_per_genotype(m: Measured) -> int | None:
    """On how many tasks each network was trained."""
    training = m.budget.training
    return _amount(training, "tasks") if training is not None and training.each is not None else None


def train_epochs(m: Measured) -> int | None:
    """For how many epochs each network was trained, in the settings that count them."""
    return _amount(m.budget.training, "epochs")


def training_tasks(m: Measured) -> int:
    """The tasks that all trained networks saw in total."""
    return (tasks_per_genotype(m) or 0) * (m.genotypes_trained or 0)


def _amount(amount: Amount | None, unit: str) -> int | None:
    return amount.amount if amount is not None and amount.unit == unit else None
