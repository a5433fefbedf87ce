"""The sources of a report: run directories, folders of them, files of records, and standard input.

One bad run never hides the others: among several runs, those that cannot be read are left out and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tnas_cli.errors import DataError
from tnas_cli.records.reading import read, text_of
from tnas_cli.records.results import Measured
from tnas_cli.report.measured import measurements
from tnas_cli.runs.below import runs_below
from tnas_cli.runs.contents import LOG, is_run

_HINT = "pass run directories, a folder of them, files that tnas wrote with --json, or - for stdin"


@dataclass
class Results:
    """What was measured, in the order of the sources, and a sentence for each run that could not be read."""

    measured: list[Measured] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def results_of(sources: Sequence[str | Path], stdin: IO[str] | str | None = None, *, required: bool = True) -> Results:
    """All measured results of the sources, or of `runs/`; `required` refuses sources that have none.

    Among several sources, as `runs/*` gives them, directories of searches and unfinished runs may have none. Raises
    DataError for a source that is missing, empty or malformed, unless it is one of several runs.
    """
    found = Results()
    if not sources:
        _take_below(Path("runs"), found)
        nowhere = f"no measured results in {Path('runs').resolve()}"
    for source in map(str, sources):
        if source == "-":
            if stdin is None:
                raise DataError("'-' was given, but no standard input.", hint="pass stdin, or name a run directory")
            found.measured += read_measured(stdin, "standard input", required=required)
        elif Path(source).is_dir() and not is_run(Path(source)):
            _take_folder(Path(source), found)
        elif Path(source).is_dir() and len(sources) > 1:
            _take_runs([Path(source)], found)
        else:
            found.measured += read_measured(Path(source), required=required)
    if not found.measured and required:
        message = "none of the sources holds a measured result" if sources else nowhere
        why = "".join(f"; left out: {reason}" for reason in found.left_out)
        raise DataError(f"{message}{why}.", hint="measure a genotype first (tnas train-eval), or name a run directory")
    return found


def _take_folder(folder: Path, found: Results) -> None:
    if not _take_below(folder, found):
        raise DataError(f"{folder} is not a run directory and holds none.", hint=_HINT)


def _take_below(folder: Path, found: Results) -> bool:
    """Results of the runs below a folder; whether there are any runs."""
    unreadable: list[str] = []
    runs = runs_below(folder, unreadable) if folder.is_dir() else []
    _take_runs(runs, found)
    found.left_out += [f"{path} cannot be read" for path in unreadable]
    return bool(runs)


def _take_runs(runs: Sequence[Path], found: Results) -> None:
    """Results of every run that has one; searches and unfinished runs have none."""
    for run in runs:
        try:
            found.measured += read_measured(run, required=False)
        except DataError as error:
            found.left_out.append(error.message.removesuffix("."))


def read_measured(source: Path | IO[str] | str, name: str = "", *, required: bool = True) -> list[Measured]:
    """Measurements of a run directory (the last in its log), or of a file or text of records (all of them).

    Raises DataError with the path when it is missing, unreadable or malformed and, when results are `required`, where
    there is none.
    """
    if not isinstance(source, Path):
        return _of_text(text_of(source, name), name, required=required, log=False)
    is_folder = source.is_dir()
    file = source / LOG if is_folder else source
    if is_folder and not file.is_file():
        if not required and is_run(source):
            return []
        raise DataError(f"{source} has no {LOG}.", hint=_HINT)
    if not file.exists():
        raise DataError(f"{source} does not exist.", hint=_HINT)
    results = _of_text(text_of(file, str(file)), str(file), required=required, log=file.name == LOG)
    return results[-1:] if is_folder else results


def _of_text(text: str, name: str, *, required: bool, log: bool) -> list[Measured]:
    if required and not text.strip():
        raise DataError(f"{name} is empty.", hint=_HINT)
    results = measurements(read(text, name, kind=Measured, log=log))
    if required and not results:
        raise DataError(f"{name} holds no measured result.", hint=_HINT)
    return results
