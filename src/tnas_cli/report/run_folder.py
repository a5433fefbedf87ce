"""The folder of a run, and what it says about the run: its settings, where it computed, and what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tnas_cli.errors import DataError
from tnas_cli.plain import NotPlainError, json_value, toml_values
from tnas_cli.records.codec import Part, decode
from tnas_cli.records.parts import Environment
from tnas_cli.records.readers import MisfitError
from tnas_cli.records.reading import text_of
from tnas_cli.runs.contents import ENVIRONMENT, SETTINGS

P = TypeVar("P", bound=Part)

#: The log, in the order in which things happened; the file that every run has from its beginning; where it computed.
_HINT = "pass a run directory as tnas left it"

#: The settings of the paper by the kind of a run.
_SETTING_OF = {"supervised": "supervised", "transfer": "transfer"}
#: The command that made a run of a kind, where it has another name.
_COMMAND_OF = dict.fromkeys(("inherited", "until", "few-shot"), "train-eval")


@dataclass(frozen=True, kw_only=True)
class _Options(Part):
    """What a run was given besides its settings."""

    limit: int | None = None
    checkpoint: str | None = None
    all_tasks: bool = False
    cross: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Machine(Part):
    """Where it computes, with the engine that was chosen, and the folder of its data if one was named."""

    engine: str | None = None
    cache_root: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunPlan(Part):
    """`run.json`: what a run is. Version 1 has less of it in `plan.json`, and no file for a search."""

    kind: str | None = None
    options: _Options = _Options()
    machine: _Machine = _Machine()
    fingerprint: str | None = None
    argv: tuple[str, ...] = ()

    @property
    def setting(self) -> str:
        """Which of the paper's settings: few-shot, supervised or transfer."""
        return _SETTING_OF.get(self.kind or "", "few-shot")

    @property
    def command(self) -> str | None:
        """The command that made the run."""
        return _COMMAND_OF.get(self.kind or "", self.kind)


@dataclass(frozen=True)
class RunFacts:
    """Everything that a folder says about its run, except the log."""

    settings: Mapping[str, object] = field(default_factory=dict)
    environment: Environment = field(default_factory=Environment)
    plan: RunPlan = field(default_factory=RunPlan)


def read_facts(run: Path) -> RunFacts:
    """The facts of a run directory; a missing file says nothing. Raises DataError that names a broken one."""
    settings_file = run / SETTINGS
    try:
        settings = toml_values(text_of(settings_file, str(settings_file))) if settings_file.is_file() else {}
    except NotPlainError as error:
        raise DataError(f"{settings_file} cannot be read: {error}.", hint=_HINT) from error
    plan, plan_file = json_of(run / "run.json"), run / "run.json"
    if not plan:
        plan, plan_file = _of_version_1(json_of(run / "plan.json")), run / "plan.json"
    environment = _part(Environment, json_of(run / ENVIRONMENT), run / ENVIRONMENT)
    return RunFacts(settings, environment, _part(RunPlan, plan, plan_file))


def json_of(path: Path) -> dict[str, object]:
    """The object in a JSON file; empty if there is no file. Raises DataError."""
    if not path.is_file():
        return {}
    try:
        value = json_value(text_of(path, str(path)))
    except NotPlainError as error:
        raise DataError(f"{path} is not JSON ({error}).", hint=_HINT) from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object.", hint=_HINT)
    return value


def _of_version_1(plan: dict[str, object]) -> dict[str, object]:
    if not plan:
        return {}
    options = {key: plan[key] for key in ("limit", "checkpoint", "all_tasks", "cross") if plan.get(key) is not None}
    machine = {"engine": plan["engine"]} if plan.get("engine") is not None else {}
    found = {"kind": plan.get("setting", "few-shot"), "options": options, "machine": machine}
    return found | ({"fingerprint": plan["fingerprint"]} if plan.get("fingerprint") is not None else {})


def _part(cls: type[P], values: Mapping[str, object], where: Path) -> P:
    try:
        return decode(cls, values)
    except MisfitError as error:
        raise DataError(f"{where}: {error.key!r} is {error.value!r}.", hint=_HINT) from error
