"""`tnas report`: the paper's numbers beside what runs measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tnas_cli.errors import DataError
from tnas_cli.report.records import Result, parse_results, read_results
from tnas_cli.report.tables import Table, build_table


def report(sources: Sequence[str | Path] = (), *, table: int = 2, stdin: TextIO | None = None) -> Table:
    """Table `table` of the paper with the results of run directories and JSON-lines files filled in.

    `-` among the sources reads `stdin`; without sources, all of `runs/*` that measured something are taken.
    Raises DataError for a source that is missing, empty or malformed, SettingsError for an unknown table.
    """
    results: list[Result] = []
    if not sources:
        results += _all_runs(Path("runs"))
    for source in sources:
        if str(source) == "-":
            if stdin is None:
                raise DataError("'-' was given, but no standard input.", hint="pass stdin, or name a run directory")
            results += parse_results(stdin, "standard input")
        else:
            results += read_results(Path(source))
    return build_table(table, results)


def _all_runs(root: Path) -> list[Result]:
    """Results of every run that has one; searches and unfinished runs have none."""
    results: list[Result] = []
    for events in sorted(root.glob("*/events.jsonl")):
        results += read_results(events.parent, required=False)
    if not results:
        raise DataError(
            f"no measured results in {root.resolve()}.",
            hint="measure a genotype first (tnas train-eval), or name a run directory",
        )
    return results
