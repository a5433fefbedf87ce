"""What figures and pages are made from: a run directory, or a file of JSON lines, read once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tnas_cli.errors import DataError
from tnas_cli.report.figures.run_log import StageLog, read_log

Record = dict[str, Any]

#: Commands whose run directories begin with their names.
_COMMANDS = ("search", "train-eval")
_HINT = "pass run directories, or files of records that tnas wrote with --json"


@dataclass(frozen=True)
class Material:
    """One source. `name` is short and for files; `path` is None for standard input; `folder` is the run directory.

    `stages` are the logs of a run's stages, `records` everything else in order: adapted, genotype and result records.
    """

    name: str
    path: Path | None = None
    folder: Path | None = None
    stages: dict[str, StageLog] = field(default_factory=dict)
    records: Sequence[Record] = ()
    settings_text: str = ""
    settings: Record = field(default_factory=dict)
    environment: Record = field(default_factory=dict)
    plan: Record = field(default_factory=dict)

    def of(self, event: str) -> list[Record]:
        """The records of one kind."""
        return [record for record in self.records if record.get("event") == event]

    @property
    def result(self) -> Record:
        """The last result, or nothing where the run has not ended."""
        return next(iter(reversed(self.of("result"))), {})

    @property
    def setting(self) -> str:
        """What a training's run directory was for: few-shot, inherited, supervised or transfer."""
        return str(self.plan.get("setting", "few-shot"))

    @property
    def command(self) -> str:
        """The command that made a run directory: by its result, or else by its name."""
        known = self.result.get("command")
        return str(known) if known else next((name for name in _COMMANDS if self.name.startswith(f"{name}-")), "")


def read_material(sources: Sequence[str | Path], stdin: str | None = None) -> list[Material]:
    """Read every source; '-' is standard input, no source means all of `runs/*`.

    Names are made distinct. Raises DataError for a source that is missing or malformed.
    """
    if not sources:
        sources = sorted(path.parent for path in Path("runs").glob("*/settings.toml"))
        if not sources:
            raise DataError(f"no runs in {Path('runs').resolve()}.", hint=_HINT)
    found: list[Material] = []
    for source in sources:
        taken = {material.name for material in found}
        if str(source) == "-":
            if stdin is None:
                raise DataError("'-' was given, but no standard input.", hint=_HINT)
            found.append(_from_lines(stdin.splitlines(keepends=True), _distinct("stdin", taken), None))
        else:
            path = Path(source)
            name = _distinct(path.resolve().name if path.is_dir() else path.stem, taken)
            found.append(_from_run(path, name) if path.is_dir() else _from_file(path, name))
    return found


def _distinct(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}-{number}"
    return free


def _from_lines(lines: Iterable[str], name: str, path: Path | None) -> Material:
    stages, records = read_log(lines, str(path or "standard input"))
    return Material(name, path, None, stages, records)


def _from_file(path: Path, name: str) -> Material:
    if not path.exists():
        raise DataError(f"{path} does not exist.", hint=_HINT)
    return _from_lines(_text(path).splitlines(keepends=True), name, path)


def _from_run(path: Path, name: str) -> Material:
    """A run directory; a part that is not there yet is empty."""
    if not (path / "settings.toml").is_file() and not (path / "events.jsonl").is_file():
        raise DataError(f"{path} is not a run directory.", hint=_HINT)
    stages: dict[str, StageLog] = {}
    records: list[Record] = []
    for part in ("genotypes.jsonl", "events.jsonl"):
        if (path / part).is_file():
            of_part, others = read_log(_text(path / part).splitlines(keepends=True), str(path / part))
            stages |= of_part
            records += others
    settings_text = _text(path / "settings.toml") if (path / "settings.toml").is_file() else ""
    try:
        settings = tomllib.loads(settings_text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path / 'settings.toml'} cannot be read: {error}.", hint=_HINT) from error
    if not any(record.get("event") == "genotype" for record in records):
        records += _found(_json(path / "found.json"))
    parts = [_json(path / part) for part in ("environment.json", "plan.json")]
    return Material(name, path, path, stages, records, settings_text, settings, *parts)


def _found(kept: Record) -> list[Record]:
    """What a run of the supervised setting found for its tasks, as genotype records."""
    tasks = kept.get("genotypes", [])
    if not isinstance(tasks, list) or not all(isinstance(genotypes, list) for genotypes in tasks):
        return []
    return [{"event": "genotype", "version": 1, "genotype": genotype} for genotypes in tasks for genotype in genotypes]


def _json(path: Path) -> Record:
    if not path.is_file():
        return {}
    try:
        value = json.loads(_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not JSON ({error}).", hint=_HINT) from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object.", hint=_HINT)
    return value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error.reason}).", hint=_HINT) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}.", hint=_HINT) from error
