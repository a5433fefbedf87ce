"""The page's first table: a row per result, and one for a source that has none yet.

What was reached stands beside its source: on a phone, the first three columns are all that is seen at first.
"""

from __future__ import annotations

from tnas_cli.records.results import AdaptResult, Measured, Result, SearchResult
from tnas_cli.report.measured import accuracy_of, dataset_of
from tnas_cli.report.source import Source

TITLES = (
    *("source", "accuracy in %", "± 95%", "method", "data set", "way", "shot"),
    *("tasks", "seconds", "seed", "command"),
)
NUMERIC = (False, True, True, False, False, True, True, True, True, True, False)


def summary_rows(source: Source) -> list[tuple[str, ...]]:
    """The rows of one source."""
    results = [result for result in source.of(Result) if isinstance(result, Measured | SearchResult)]
    return [_row(source, result) for result in results] or [_without_numbers(source)]


def _row(source: Source, result: Measured | SearchResult) -> tuple[str, ...]:
    protocol = f" ({result.protocol})" if result.protocol else ""
    dataset = dataset_of(result) if isinstance(result, Measured) else result.dataset
    return (
        source.name,
        *_accuracy(result),
        result.method,
        f"{dataset}{protocol}",
        _plain(result.way),
        _plain(result.shot),
        "" if result.tasks is None else f"{result.tasks:,}",
        "" if result.wall_seconds is None else _seconds(result.wall_seconds),
        str(result.seed),
        result.command,
    )


def _accuracy(result: Measured | SearchResult) -> tuple[str, str]:
    """Accuracy and half-width of its interval in percent; for a search, the accuracy of its best validation."""
    if isinstance(result, SearchResult):
        return f"{100 * result.validation_accuracy:.2f} (validation)", ""
    if isinstance(result, AdaptResult) and result.mean is None:
        return "", ""
    reached = accuracy_of(result)
    shown = result.tasks != 1 and result.interval is not None
    return f"{100 * reached.mean:.2f}", f"{100 * reached.interval:.2f}" if shown else ""


def _without_numbers(source: Source) -> tuple[str, ...]:
    """The row of a source without a measured result: what its settings say."""
    settings = source.facts.settings
    protocol = f" ({settings['protocol']})" if settings.get("protocol") else ""
    texts = {name: _plain(settings.get(name)) for name in ("method", "dataset", "way", "shot", "seed")}
    return (
        source.name,
        *("", ""),
        texts["method"],
        f"{texts['dataset']}{protocol}",
        texts["way"],
        texts["shot"],
        *("", ""),
        texts["seed"],
        source.command if source.result is not None else f"{source.command}, not finished",
    )


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _seconds(seconds: float) -> str:
    """A plain number, so that the column can be sorted."""
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def duration(seconds: float) -> str:
    """'12 s', '5 min', '2 h 05 min'."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
