"""`tnas cite`: BibTeX for what a run used."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from tnas_cli import __version__
from tnas_cli.errors import DataError
from tnas_cli.report.references import cited_for

Record = dict[str, Any]

_HINT = "pass a run directory, what a command printed with --json, or - for stdin"


def cite(source: str | Path | None = None, *, stdin: TextIO | None = None) -> Iterator[Record]:
    """A `reference` record per work that a run directory or JSON lines name, then the `result`.

    Without a source, the paper and tnas itself. Raises DataError for a source that names no method and no data set.
    """
    methods: set[str] = set()
    datasets: dict[str, set[str]] = {}
    for values in _named_by(source, stdin) if source is not None else ():
        # The data set stands in a result itself, in other records with what they were searched on.
        data = values.get("data") if isinstance(values.get("data"), Mapping) else {}
        methods |= _texts(values, "method", "training")
        for about in (values, data):
            for name in _texts(about or {}, "dataset"):
                datasets.setdefault(name, set()).update(_texts(about or {}, "protocol"))
    if source is not None and not methods and not datasets:
        raise DataError(f"{source} names no method and no data set.", hint=_HINT)
    found = cited_for(methods, datasets)
    for reference in found:
        bibtex = reference.bibtex.replace("VERSION", __version__)
        yield {"event": "reference", "version": 1, "key": reference.key, "bibtex": bibtex}
    yield {
        "event": "result",
        "version": 1,
        "command": "cite",
        "methods": sorted(methods),
        "datasets": sorted(datasets),
        "references": len(found),
    }


def _named_by(source: str | Path, stdin: TextIO | None) -> list[Mapping[str, Any]]:
    """The records of a source; an unfinished run has its settings."""
    if str(source) == "-":
        if stdin is None:
            raise DataError("'-' was given, but no standard input.", hint=_HINT)
        return list(_records(stdin, "standard input"))
    path = Path(source)
    if not path.exists():
        raise DataError(f"{path} does not exist.", hint=_HINT)
    try:
        if not path.is_dir():
            return list(_records(path.read_text(encoding="utf-8").splitlines(), str(path)))
        settings, records = path / "settings.toml", path / "genotypes.jsonl"
        found: list[Mapping[str, Any]] = []
        if settings.is_file():
            found.append(tomllib.loads(settings.read_text(encoding="utf-8")))
        for lines in (records, path / "events.jsonl"):
            if lines.is_file():
                found += _records(lines.read_text(encoding="utf-8").splitlines(), str(lines))
        return found
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}.", hint=_HINT) from error


def _records(lines: Iterable[str], name: str) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise DataError(f"{name}, line {number}: not JSON ({error}).", hint=_HINT) from error
        if not isinstance(record, dict):
            raise DataError(f"{name}, line {number}: {line.strip()[:40]!r} is not a JSON object.", hint=_HINT)
        yield record


def _texts(values: Mapping[str, Any], *keys: str) -> set[str]:
    return {value for key in keys if isinstance(value := values.get(key), str)}
