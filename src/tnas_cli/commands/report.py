"""`tnas report`: the paper's numbers beside what runs measured, two results task by task, and expectations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tnas_cli.errors import DataError, SettingsError
from tnas_cli.report import compare as pairs
from tnas_cli.report import expectations
from tnas_cli.report.compare import Comparison
from tnas_cli.report.expectations import Outcome
from tnas_cli.report.per_task import read_per_task
from tnas_cli.report.records import Result, parse_results, read_results
from tnas_cli.report.tables import Table, build_table

Sources = Sequence[str | Path]


def report(sources: Sources = (), *, table: int = 2, stdin: TextIO | None = None) -> Table:
    """Table `table` of the paper with the results of run directories and JSON-lines files filled in.

    `-` among the sources reads `stdin`; without sources, all of `runs/*` that measured something are taken.
    Raises DataError for a source that is missing, empty or malformed, SettingsError for an unknown table.
    """
    return build_table(table, results_of(sources, stdin))


def compare(sources: Sources, *, own_tasks: bool = False) -> Comparison:
    """The first of two results minus the second, paired by task; a source is a run directory or a JSON-lines file.

    own_tasks: pair the genotypes that both measured, each on the test task that decoded to it.

    Raises SettingsError for another number of sources, DataError where their tasks are not the same or not kept.
    """
    if len(sources) != 2:
        raise SettingsError(
            f"--compare takes two results, {len(sources)} were given.", hint="tnas report --compare RUN_A RUN_B"
        )
    if "-" in map(str, sources):
        raise SettingsError("--compare does not read standard input.", hint="write the output to a file first")
    a, b = map(Path, sources)
    return pairs.compare_own_tasks(a, b) if own_tasks else pairs.compare(read_per_task(a), read_per_task(b))


def check(file: Path, sources: Sources = (), *, stdin: TextIO | None = None) -> list[Outcome]:
    """Whether the results, taken as `report` takes them, are what a file of expectations says.

    Where nothing was measured at all, no expectation is met. Raises SettingsError and DataError for a file that cannot
    be used.
    """
    wanted = expectations.read_expectations(file)
    return expectations.check(wanted, results_of(sources, stdin, required=False))


def results_of(sources: Sources, stdin: TextIO | None = None, *, required: bool = True) -> list[Result]:
    """All measured results of the sources, or of `runs/*`; `required` refuses sources that have none.

    Among several sources, as `runs/*` gives them, a search's and an unfinished run's directory may have none.
    """
    if not sources:
        return _all_runs(Path("runs"), required=required)
    results: list[Result] = []
    for source in sources:
        if str(source) == "-":
            if stdin is None:
                raise DataError("'-' was given, but no standard input.", hint="pass stdin, or name a run directory")
            results += parse_results(stdin, "standard input", required=required)
        else:
            alone = len(sources) == 1 or not Path(source).is_dir()
            results += read_results(Path(source), required=required and alone)
    if not results and required:
        raise DataError(
            "none of the sources holds a measured result.", hint="measure a genotype first: tnas train-eval"
        )
    return results


def _all_runs(root: Path, *, required: bool) -> list[Result]:
    """Results of every run that has one; searches and unfinished runs have none."""
    results: list[Result] = []
    for events in sorted(root.glob("*/events.jsonl")):
        results += read_results(events.parent, required=False)
    if not results and required:
        raise DataError(
            f"no measured results in {root.resolve()}.",
            hint="measure a genotype first (tnas train-eval), or name a run directory",
        )
    return results
