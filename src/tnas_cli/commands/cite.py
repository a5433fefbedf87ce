"""`tnas cite`: BibTeX for what a run used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tnas_cli.errors import DataError
from tnas_cli.plain import NotPlainError, toml_values
from tnas_cli.records.kinds import Adapted, Decoded, Record
from tnas_cli.records.other_results import PreparedData
from tnas_cli.records.reading import read, text_of
from tnas_cli.records.reported import CiteResult, Reference
from tnas_cli.records.results import GrowResult, Measured, SearchResult
from tnas_cli.report.references import cited_for
from tnas_cli.runs.contents import GIVEN, LOG, SETTINGS
from tnas_cli.version import __version__

_HINT = "pass a run directory, what a command printed with --json, or - for stdin"

#: Records that name what they were made with.
_NAMING = (SearchResult, GrowResult, Measured, Adapted, Decoded, PreparedData)


@dataclass
class _Used:
    """Methods, data sets with their split protocols, spaces and fixed networks."""

    methods: set[str] = field(default_factory=set)
    spaces: set[str] = field(default_factory=set)
    networks: set[str] = field(default_factory=set)
    datasets: dict[str, set[str]] = field(default_factory=dict)

    def method(self, *names: object) -> None:
        self.methods |= {name for name in names if isinstance(name, str)}

    def dataset(self, name: object, protocol: object) -> None:
        if isinstance(name, str):
            self.datasets.setdefault(name, set()).update({protocol} if isinstance(protocol, str) else ())

    def record(self, record: Record) -> None:
        """Take what a record names; the data set of an adaptation is that of its search."""
        if isinstance(record, Adapted | Decoded | SearchResult | GrowResult | Measured):
            self.spaces.add(record.space)
        if isinstance(record, Measured) and record.network is not None:
            self.networks.add(record.network)
        if isinstance(record, Adapted | Decoded):
            self.method(record.method)
            if record.data is not None:
                self.dataset(record.data.dataset, record.data.protocol)
        elif isinstance(record, SearchResult | Measured):
            self.method(record.method, record.training if isinstance(record, Measured) else None)
            self.dataset(record.dataset, record.protocol)
        elif isinstance(record, GrowResult):
            self.method(record.method, record.trained_by)
            self.dataset(record.dataset, record.protocol)
        elif isinstance(record, PreparedData):
            self.dataset(record.dataset, record.protocol)


def cite(source: str | Path | None = None, *, stdin: IO[str] | None = None) -> tuple[list[Reference], CiteResult]:
    """A record of each work to cite for a run directory or for records, and the result.

    Without a source, the paper and tnas itself. Raises DataError for a source that names no method and no data set.
    """
    used = _Used()
    if source is not None:
        _read(str(source), stdin, used)
        if not used.methods and not used.datasets:
            raise DataError(f"{source} names no method and no data set.", hint=_HINT)
    found = cited_for(used.methods, used.datasets, used.spaces, used.networks)
    references = [Reference(key=work.key, bibtex=work.bibtex.replace("VERSION", __version__)) for work in found]
    methods, datasets = tuple(sorted(used.methods)), tuple(sorted(used.datasets))
    return references, CiteResult(methods=methods, datasets=datasets, references=len(found))


def _read(source: str, stdin: IO[str] | None, used: _Used) -> None:
    """Take everything that a source names; an unfinished run has at least its settings."""
    path = Path(source)
    if source == "-":
        if stdin is None:
            raise DataError("'-' was given, but no standard input.", hint=_HINT)
        texts = {"standard input": text_of(stdin, "standard input")}
    elif not path.exists():
        raise DataError(f"{path} does not exist.", hint=_HINT)
    elif not path.is_dir():
        texts = {str(path): text_of(path, str(path))}
    else:
        _read_settings(path / SETTINGS, used)
        files = [file for file in (path / GIVEN, path / LOG) if file.is_file()]
        texts = {str(file): text_of(file, str(file)) for file in files}
    for name, text in texts.items():
        for record in read(text, name, kind=_NAMING, log=path.is_dir()):
            used.record(record)


def _read_settings(file: Path, used: _Used) -> None:
    if not file.is_file():
        return
    try:
        settings = toml_values(text_of(file, str(file)))
    except NotPlainError as error:
        raise DataError(f"cannot read {file}: {error}.", hint=_HINT) from error
    used.method(settings.get("method"))
    used.dataset(settings.get("dataset"), settings.get("protocol"))
    if isinstance(settings.get("space"), str):
        used.spaces.add(settings["space"])
