"""`tnas report --html`: everything about the given runs as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tnas_cli.records.reading import parse
from tnas_cli.records.results import Measured
from tnas_cli.report.grids import BELOW, Grid, details, main
from tnas_cli.report.html.page import HtmlTable, Page, PaperPart, SourceFigures, as_figure, render
from tnas_cli.report.material import Material, Record, read_material
from tnas_cli.report.measured import measurements
from tnas_cli.report.paper_tables import paper_table_numbers
from tnas_cli.report.pictures import find_pictures
from tnas_cli.report.reproduce import reproduce
from tnas_cli.report.tables import Ours, Table, build_table
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.files import write_text
from tnas_cli.version import __version__

_SUMMARY = (
    "source",
    "command",
    "method",
    "data set",
    "way",
    "shot",
    "accuracy in %",
    "± 95%",
    "tasks",
    "seconds",
    "seed",
)
_NUMERIC = (False, False, False, False, True, True, True, True, True, True, True)


def html_report(
    sources: Sequence[str | Path], file: Path, *, stdin: str | None = None, machine: Machine = HERE
) -> dict[str, Any]:
    """Write the page; returns a record of what is on it.

    Raises DataError for a source that is missing or malformed, TnasError where the file cannot be written.
    """
    materials = read_material(sources, stdin)
    results: list[Measured] = []
    for material in materials:
        # A run and the file that its command wrote may both be given: that is one measurement.
        results += [result for result in _measured(material) if result not in results]
    found = find_pictures(materials, machine)
    tables = _paper_parts(results)
    figures = [SourceFigures(name, tuple(map(as_figure, pictures))) for name, pictures in found.pictures.items()]
    page = Page(
        title="T-NAS report",
        facts=_facts(materials, results),
        summary=HtmlTable(
            "summary-table",
            "What was given, and what it measured",
            _SUMMARY,
            _NUMERIC,
            (("", tuple(map(_row, _rows(materials)))),),
        ),
        papers=tables,
        figures=figures,
        left_out=found.left_out,
        settings=_side_by_side(
            "settings-table", "settings.toml of each run", "setting", {m.name: m.settings for m in materials}
        ),
        environment=_side_by_side(
            "environment-table", "environment.json of each run", "property", {m.name: m.environment for m in materials}
        ),
        commands=[reproduce(material) for material in materials],
        version=__version__,
    )
    write_text(file, render(page))
    return {
        "html": str(file),
        "sources": len(materials),
        "measured": len(results),
        "figures": sum(len(source.figures) for source in figures),
        "left_out": found.left_out,
    }


def _measured(material: Material) -> list[Measured]:
    """The source's results that are measurements: of a run directory the last one only, as in `tnas report`."""
    results = measurements(parse(record, material.name) for record in material.of("result"))
    return results[-1:] if material.folder is not None else results


def _facts(materials: Sequence[Material], results: Sequence[Measured]) -> tuple[str, ...]:
    seconds = sum(r["wall_seconds"] for m in materials for r in m.of("result") if _is_number(r.get("wall_seconds")))
    versions = sorted({str(v) for m in materials for v in [m.environment.get("package_version")] if v})
    facts = [
        _count(len(materials), "source"),
        _count(len(results), "measured result"),
        f"{_duration(seconds)} of computing",
    ]
    return (*facts, *(f"tnas {version}" for version in versions))


def _rows(materials: Sequence[Material]) -> list[tuple[Material, Record]]:
    """A row per result, and one for a source that has none yet."""
    return [(material, result) for material in materials for result in material.of("result") or [{}]]


def _row(pair: tuple[Material, Record]) -> tuple[str, ...]:
    material, result = pair
    value = {**material.settings, **result}
    mean: Any = value.get("mean")
    interval: Any = value.get("interval")
    if mean is None:
        mean, interval = value.get("validation_accuracy"), None
    search = value.get("command") == "search"
    protocol = f" ({value['protocol']})" if value.get("protocol") else ""
    return (
        material.name,
        f"{value.get('command', material.command)}" + ("" if result else ", not finished"),
        str(value.get("method", "")),
        f"{value.get('dataset', '')}{protocol}",
        str(value.get("way", "")),
        str(value.get("shot", "")),
        f"{100 * mean:.2f}{' (validation)' if search else ''}" if _is_number(mean) else "",
        f"{100 * interval:.2f}" if _is_number(interval) and value.get("tasks") != 1 else "",
        f"{value['tasks']:,}" if isinstance(value.get("tasks"), int) and result else "",
        _seconds(value["wall_seconds"]) if _is_number(value.get("wall_seconds")) else "",
        str(value.get("seed", "")),
    )


def _paper_parts(results: Sequence[Measured]) -> list[PaperPart]:
    """All tables. Open are those with ours in one of the paper's rows; where there is none, the first with any."""
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
        tables.append(_grid(f"table-{table.number}-ours", "What belongs to our numbers", further))
    title = f"Table {table.number}: {table.title}"
    return PaperPart(f"paper-table-{table.number}", title, tuple(tables), tuple(table.notes), is_open)


def _grid(name: str, caption: str, grid: Grid) -> HtmlTable:
    groups = [("", grid.rows[: grid.below])]
    if grid.below is not None:
        groups.append((BELOW, grid.rows[grid.below :]))
    return HtmlTable(name, caption, grid.titles, grid.numeric, tuple(groups))


def _side_by_side(name: str, caption: str, first: str, values: dict[str, Record]) -> HtmlTable | None:
    """A row per key, a column per source that has any; the last column says where the sources differ."""
    having = {source: record for source, record in values.items() if record}
    if not having:
        return None
    keys = list(dict.fromkeys(key for record in having.values() for key in record))
    rows = []
    for key in keys:
        shown = [_text(record[key]) if key in record else "" for record in having.values()]
        differ = "differs" if len({text for text in shown if text}) > 1 else ""
        rows.append((key, *shown, *([differ] if len(having) > 1 else [])))
    titles = (first, *having, *(["same?"] if len(having) > 1 else []))
    return HtmlTable(name, caption, titles, (False,) * len(titles), (("", tuple(rows)),))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _seconds(seconds: float) -> str:
    """A plain number, so that the column can be sorted."""
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
