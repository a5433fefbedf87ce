"""`tnas report`: the paper's numbers beside measured ones, two results task by task, and expectations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tnas_cli.errors import SettingsError
from tnas_cli.report import advantage as own
from tnas_cli.report import compare as pairs
from tnas_cli.report import expectations
from tnas_cli.report import ranks as rank_correlation
from tnas_cli.report.advantage import Advantage
from tnas_cli.report.compare import Comparison
from tnas_cli.report.expectations import Outcome
from tnas_cli.report.per_task import read_per_task
from tnas_cli.report.ranks import Ranks
from tnas_cli.report.results import results_of
from tnas_cli.report.tables import Table, build_table
from tnas_cli.runs import events

Sources = Sequence[str | Path]


def report(sources: Sources = (), *, table: int = 2, stdin: IO[str] | None = None) -> Table:
    """Table `table` of the paper with the results of run directories and files of records filled in.

    A source may be a folder of runs; without sources it is `runs/`. `-` among them reads `stdin`. A run that cannot be
    read does not stop the others: it is named in the table's notes. Raises DataError for any other source that is
    missing, empty or malformed, SettingsError for an unknown table.
    """
    found = results_of(sources, stdin)
    return build_table(table, found.measured, found.left_out)


def compare(sources: Sources, *, own_tasks: bool = False) -> Comparison:
    """The first of two results minus the second, paired by task; a source is a run directory or a file of records.

    own_tasks: pair the genotypes that both measured, each on the test task that decoded to it.

    Raises SettingsError unless there are two sources, DataError if their tasks differ or were not kept.
    """
    a, b = _two(sources, "--compare", "tnas report --compare RUN_A RUN_B")
    return pairs.compare_own_tasks(a, b) if own_tasks else pairs.compare(read_per_task(a), read_per_task(b))


def ranks(sources: Sources) -> Ranks:
    """How far two results put the genotypes that both measured into the same order: Kendall's tau with its interval.

    Raises SettingsError unless there are two sources, DataError if they share fewer than three genotypes.
    """
    return rank_correlation.ranks(*_two(sources, "--ranks", "tnas report --ranks RUN_A RUN_B"))


def _two(sources: Sources, option: str, example: str) -> tuple[Path, Path]:
    if len(sources) != 2:
        raise SettingsError(f"{option} takes two results, but {len(sources)} were given.", hint=example)
    if "-" in map(str, sources):
        raise SettingsError(f"{option} does not read standard input.", hint="write the output to a file first")
    a, b = map(Path, sources)
    return a, b


def advantage(sources: Sources) -> Advantage:
    """How much better a genotype is on the task that decoded to it than on another's, from a result of `inherit` with
    `cross`. Raises SettingsError without a source, DataError where none was measured."""
    if not sources:
        raise SettingsError("--advantage needs a run.", hint="tnas report --advantage RUN")
    return own.advantage(sources)


def check(
    file: Path, sources: Sources = (), *, stdin: IO[str] | None = None, listener: events.Listener = events.ignore
) -> list[Outcome]:
    """Check the results, which are read as in `report`, against a file of expectations.

    If nothing was measured at all, no expectation is met. A run that cannot be read is noted. Raises SettingsError
    and DataError for a file that cannot be used.
    """
    wanted = expectations.read_expectations(file)
    found = results_of(sources, stdin, required=False)
    for reason in found.left_out:
        listener(events.Note(f"left out: {reason}"))
    return expectations.check(wanted, found.measured)
