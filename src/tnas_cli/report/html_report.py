"""`tnas report --html`: everything about the given runs as one HTML file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tnas_cli.records.results import Measured, Result, SearchResult
from tnas_cli.report.answer import answers, question, who
from tnas_cli.report.figures.accuracies import Reached, accuracies_picture
from tnas_cli.report.grids import BELOW, Grid, details, main
from tnas_cli.report.html.page import (
    HtmlFigure,
    HtmlTable,
    Page,
    PaperPart,
    SideBySide,
    SourceFigures,
    as_figure,
    render,
)
from tnas_cli.report.html.summary import NUMERIC, TITLES, duration, summary_rows
from tnas_cli.report.measured import accuracy_of, has_interval, measurements
from tnas_cli.report.paper_tables import paper_table_numbers
from tnas_cli.report.pictures import find_pictures
from tnas_cli.report.reproduce import reproduce
from tnas_cli.report.source import Source, read_sources
from tnas_cli.report.tables import Ours, Table, build_table
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.endings import PAGES, ending_of
from tnas_cli.runs.files import write_text
from tnas_cli.version import __version__


@dataclass(frozen=True)
class Written:
    """What is on a page: the numbers of sources, measured results and figures, and what could not be read or drawn."""

    html: str
    sources: int
    measured: int
    figures: int
    left_out: Sequence[str]


def html_report(
    sources: Sequence[str | Path], file: Path, *, stdin: str | None = None, machine: Machine = HERE
) -> Written:
    """Write the page; returns what is on it.

    Raises SettingsError for another ending than .html or .htm, DataError for a source that is missing or malformed
    (unless it is one of several runs), TnasError where the file cannot be written.
    """
    ending_of(file, PAGES, "--html")
    found = read_sources(sources, stdin)
    measured: list[tuple[str, Measured]] = []
    for source in found.read:
        # A run and the file that its command wrote may both be given: that is one measurement.
        known = [result for _, result in measured]
        measured += [(source.name, result) for result in _measured(source) if result not in known]
    results = [result for _, result in measured]
    pictures = find_pictures(found, machine)
    figures = [SourceFigures(name, tuple(map(as_figure, of))) for name, of in pictures.by_source.items()]
    rows = [row for source in found.read for row in summary_rows(source)]
    page = Page(
        title="T-NAS report",
        facts=_facts(found.read, results),
        answers=answers(results),
        summary=HtmlTable(
            "summary-table", "The sources, and what they measured", TITLES, NUMERIC, (("", tuple(rows)),)
        ),
        comparison=_comparison(measured),
        papers=_paper_parts(results),
        figures=figures,
        left_out=pictures.left_out,
        settings=_side_by_side(
            "settings", "settings.toml of each run", "setting", {s.name: s.facts.settings for s in found.read}
        ),
        environment=_side_by_side(
            "environment",
            "environment.json of each run",
            "property",
            {s.name: s.facts.environment.to_json() for s in found.read},
        ),
        commands=[reproduce(source) for source in found.read],
        version=__version__,
    )
    write_text(file, render(page))
    drawn = sum(len(source.figures) for source in figures)
    return Written(str(file), len(found.read), len(results), drawn, pictures.left_out)


def _measured(source: Source) -> list[Measured]:
    """The source's results that are measurements; for a run directory only the last one, as in `tnas report`."""
    results = measurements(source.records)
    return results[-1:] if source.folder is not None else results


def _facts(sources: Sequence[Source], results: Sequence[Measured]) -> tuple[str, ...]:
    computed = [record for source in sources for record in source.of(Result)]
    seconds = sum(r.wall_seconds or 0 for r in computed if isinstance(r, Measured | SearchResult))
    # The time of a resumed run is that of its last call.
    resumed = any(getattr(record, "resumed", False) for record in computed)
    versions = sorted({version for source in sources if (version := source.facts.environment.package_version)})
    facts = [
        _count(len(sources), "source"),
        _count(len(results), "measured result"),
        f"{'at least ' if resumed else ''}{duration(seconds)} of computing",
    ]
    return (*facts, *(f"tnas {version}" for version in versions))


def _paper_parts(results: Sequence[Measured]) -> list[PaperPart]:
    """All tables. Those with our numbers in the paper's rows are open; if there are none, the first with any of
    ours."""
    tables = [build_table(number, results) for number in paper_table_numbers()]
    chosen = [table.number for table in tables if _has_ours_in_paper(table)]
    chosen = chosen or [table.number for table in tables if table.measured][:1]
    return [_paper_part(table, table.number in chosen) for table in tables]


def _has_ours_in_paper(table: Table) -> bool:
    return any(row.in_paper and isinstance(cell, Ours) for row in table.rows for cell in row.cells)


def _paper_part(table: Table, is_open: bool) -> PaperPart:
    tables = [_grid(f"table-{table.number}", "The paper's numbers and ours", main(table))]
    further = details(table)
    if further is not None:
        tables.append(_grid(f"table-{table.number}-ours", "Details of our numbers", further))
    title = f"Table {table.number}: {table.title}"
    return PaperPart(f"paper-table-{table.number}", title, tuple(tables), tuple(table.notes), is_open)


def _grid(name: str, caption: str, grid: Grid) -> HtmlTable:
    groups = [("", grid.rows[: grid.below])]
    if grid.below is not None:
        groups.append((BELOW, grid.rows[grid.below :]))
    return HtmlTable(name, caption, grid.titles, grid.numeric, tuple(groups))


def _comparison(measured: Sequence[tuple[str, Measured]]) -> HtmlFigure | None:
    """All accuracies in one figure, where there are several; a source's name tells apart what is called the same."""
    if len(measured) < 2:
        return None
    names = Counter(who(m) for _, m in measured)
    reached = [
        Reached(
            who(m) if names[who(m)] == 1 else f"{who(m)}, {source}",
            question(m),
            accuracy_of(m).mean,
            accuracy_of(m).interval if has_interval(m) else 0.0,
        )
        for source, m in measured
    ]
    return as_figure(accuracies_picture("accuracies", "What was measured", reached))


def _side_by_side(name: str, caption: str, first: str, values: Mapping[str, Mapping[str, object]]) -> SideBySide | None:
    """A row per key: where the sources differ with a column for each that has any, else with the one value."""
    having = {source: record for source, record in values.items() if record}
    if not having:
        return None
    differ, same = [], []
    for key in dict.fromkeys(key for record in having.values() for key in record):
        shown = [_text(record[key]) if key in record else "" for record in having.values()]
        said = {text for text in shown if text}
        if len(said) > 1:
            differ.append((key, *shown))
        else:
            same.append((key, *said) if said else (key, ""))
    several = len(having) > 1
    agreed = f"{caption}: the same in all" if several else caption
    return SideBySide(
        _of_rows(f"{name}-differ", f"{caption}: where they differ", (first, *having), differ),
        _of_rows(f"{name}-same", agreed, (first, "all" if several else next(iter(having))), same),
    )


def _of_rows(name: str, caption: str, titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> HtmlTable | None:
    return HtmlTable(name, caption, titles, (False,) * len(titles), (("", tuple(rows)),)) if rows else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
