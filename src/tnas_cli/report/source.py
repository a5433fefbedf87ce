"""What figures and pages are made from: a run directory, or a file of records, read whole.

A bad one never hides the others: among several runs, those that cannot be read are left out, and in a log or file
the records that do not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Decoded, Record
from tnas_cli.records.reading import parse, text_of, values_of
from tnas_cli.records.results import Result
from tnas_cli.report.figures.run_log import StageLog, stages_of
from tnas_cli.report.run_folder import RunFacts, json_of, read_facts
from tnas_cli.runs.below import runs_below
from tnas_cli.runs.contents import GIVEN, LOG, is_run

R = TypeVar("R", bound=Record)

_HINT = "pass run directories, a folder of them, or files of records that tnas wrote with --json"
#: Commands whose run directories begin with their names.
_COMMANDS = ("search", "train-eval", "supervised", "transfer")


@dataclass(frozen=True)
class Source:
    """One source. `name` is short and for files; `path` is None for standard input; `folder` is the run directory.

    `stages` are the logs of a run's stages, `records` everything else in order: adapted, genotype and result records.
    `problems` says which of its records could not be read.
    """

    name: str
    path: Path | None = None
    folder: Path | None = None
    stages: dict[str, StageLog] = field(default_factory=dict)
    records: Sequence[Record] = ()
    problems: Sequence[str] = ()
    facts: RunFacts = field(default_factory=RunFacts)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def result(self) -> Result | None:
        """The last result, or None if the run has not ended."""
        return next(reversed(self.of(Result)), None)

    @property
    def setting(self) -> str:
        """Which of the paper's settings a run belongs to: few-shot, supervised or transfer."""
        return self.facts.plan.setting

    @property
    def command(self) -> str:
        """The command that made a run directory: by its result or its plan, or else by its name."""
        known = self.facts.plan.command or (self.result.command if self.result is not None else None)
        return known or next((name for name in _COMMANDS if self.name.startswith(f"{name}-")), "")


@dataclass
class Sources:
    """What was read, and a sentence for each run that could not be."""

    read: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def distinct(self, name: str) -> str:
        """The name, with a number if it is taken."""
        taken, number, free = {source.name for source in self.read}, 2, name
        while free in taken:
            number, free = number + 1, f"{name}-{number}"
        return free


def read_sources(sources: Sequence[str | Path], stdin: str | None = None) -> Sources:
    """Read every source; '-' is standard input, a folder of runs stands for its runs, no source means `runs/`.

    Names are made distinct. Raises DataError for a source that is missing or malformed, unless it is one of several
    runs.
    """
    found = Sources()
    paths = list(_expanded(sources))
    for path in paths:
        if path is None:
            if stdin is None:
                raise DataError("'-' was given, but no standard input.", hint=_HINT)
            found.read.append(_from_text(stdin, found.distinct("stdin"), None))
        elif path.is_dir():
            try:
                found.read.append(_from_run(path, found.distinct(path.resolve().name)))
            except DataError as error:
                if len(paths) == 1:
                    raise
                found.left_out.append(f"{path.name}: left out: {error.message.removesuffix('.')}")
        else:
            if not path.exists():
                raise DataError(f"{path} does not exist.", hint=_HINT)
            found.read.append(_from_text(text_of(path, str(path)), found.distinct(path.stem), path))
    if not found.read:
        raise DataError(f"none of the runs can be read: {'; '.join(found.left_out)}.", hint=_HINT)
    return found


def _expanded(sources: Sequence[str | Path]) -> Iterable[Path | None]:
    """Paths of runs and files; None for standard input."""
    if not sources:
        runs = runs_below(Path("runs")) if Path("runs").is_dir() else []
        if not runs:
            raise DataError(f"no runs in {Path('runs').resolve()}.", hint=_HINT)
        yield from runs
    for source in map(str, sources):
        path = Path(source)
        if source == "-":
            yield None
        elif path.is_dir() and not is_run(path):
            runs = runs_below(path)
            if not runs:
                raise DataError(f"{path} is not a run directory and holds none.", hint=_HINT)
            yield from runs
        else:
            yield path


def _from_text(text: str, name: str, path: Path | None) -> Source:
    records, problems = _records(text, str(path or "standard input"), log=path is not None and path.name == LOG)
    stages, others = stages_of(records)
    return Source(name, path, None, stages, others, problems)


def _from_run(path: Path, name: str) -> Source:
    """A run directory; a part that is not there yet is empty."""
    facts = read_facts(path)
    records: list[Record] = []
    problems: list[str] = []
    for part in (GIVEN, LOG):
        if (path / part).is_file():
            of_part, wrong = _records(text_of(path / part, str(path / part)), str(path / part), log=True)
            records += of_part
            problems += wrong
    if not any(isinstance(record, Decoded) for record in records):
        records += _found(json_of(path / "found.json"))
    stages, others = stages_of(records)
    return Source(name, path, path, stages, others, problems, facts)


def _records(text: str, name: str, *, log: bool) -> tuple[list[Record], list[str]]:
    """The records of a text, and what is wrong with the others."""
    records, problems = [], []
    for entry in values_of(text, name, log=log):
        try:
            records.append(parse(entry.values, entry.where))
        except DataError as error:
            problems.append(error.message.removesuffix("."))
    return records, problems


def _found(kept: dict[str, object]) -> list[Record]:
    """What a run of the supervised setting found for its tasks, as genotype records."""
    tasks = kept.get("genotypes", [])
    if not isinstance(tasks, list) or not all(isinstance(genotypes, list) for genotypes in tasks):
        return []
    values = [genotype for genotypes in tasks for genotype in genotypes if isinstance(genotype, dict)]
    return [parse({"event": "genotype", "version": 2, "genotype": genotype}) for genotype in values]
