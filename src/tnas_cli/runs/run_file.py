"""`run.json`: what a run is, in one file, so that it can continue from any working directory without any options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from tnas_cli.errors import DataError
from tnas_cli.plain import NOT_AS_WRITTEN, json_value
from tnas_cli.runs.contents import RUN, SETTINGS
from tnas_cli.runs.device import Machine
from tnas_cli.runs.files import write_text
from tnas_cli.runs.paths import from_environment
from tnas_cli.spelling import quoted
from tnas_cli.version import __version__

T = TypeVar("T")

NAME = RUN
VERSION = 2


@dataclass(frozen=True)
class RunFile:
    """kind: which recipe; settings: as in `settings.toml`; options: what the recipe keeps besides them; fingerprint:
    the content hash of its images; machine: where it computes, with the engine that was chosen; argv: the command
    line."""

    kind: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    fingerprint: str
    machine: Machine
    argv: tuple[str, ...] = ()
    package_version: str = field(default=__version__)

    def text(self) -> str:
        """The file's text."""
        machine = self.machine
        # The variable may have been set for the command that began the run, and not for the one that continues it.
        given = machine.cache_root or from_environment("TNAS_CACHE")
        root = str(given.resolve()) if given else None
        where = {"device": machine.device, "threads": machine.threads, "engine": machine.engine, "cache_root": root}
        values = {
            "version": VERSION,
            "kind": self.kind,
            "settings": dict(self.settings),
            "options": dict(self.options),
            "fingerprint": self.fingerprint,
            "machine": where | {"tensorboard": machine.tensorboard, "allow_other_data": machine.allow_other_data},
            "argv": list(self.argv),
            "package_version": self.package_version,
        }
        return json.dumps(values, indent=2) + "\n"

    def write(self, run: Path) -> None:
        """Put it into the run's folder; raises TnasError where that cannot be written."""
        write_text(run / NAME, self.text())

    @classmethod
    def read(cls, run: Path) -> RunFile:
        """Read the file in a run's folder; raises DataError if it is not a run, or one of another version."""
        try:
            values = json_value((run / NAME).read_text(encoding="utf-8"))
            if values["version"] != VERSION:
                raise DataError(
                    f"{run / NAME} has version {values['version']!r}, but this tnas reads version {VERSION}.",
                    hint=f"install the version of tnas that made it: {values.get('package_version', 'see the file')}",
                )
            return cls(
                _a(str, values["kind"]),
                _a(dict, values["settings"]),
                _a(dict, values["options"]),
                _a(str, values["fingerprint"]),
                _machine(**values["machine"]),
                tuple(_a(str, word) for word in values["argv"]),
                _a(str, values["package_version"]),
            )
        except (OSError, *NOT_AS_WRITTEN) as error:
            raise DataError(f"{run} is not a run that can be continued.", hint=_hint(run)) from error

    def on(self, machine: Machine) -> RunFile:
        """The same run, continued on another machine."""
        return replace(self, machine=machine)


def _machine(
    *,
    device: object,
    threads: object,
    engine: object,
    cache_root: object,
    tensorboard: object = False,
    allow_other_data: object = False,
) -> Machine:
    return Machine(
        device=_a(str, device),
        threads=None if threads is None else _a(int, threads),
        cache_root=None if cache_root is None else Path(_a(str, cache_root)),
        engine=_a(str, engine),
        tensorboard=_a(bool, tensorboard),
        allow_other_data=_a(bool, allow_other_data),
    )


def _a(kind: type[T], value: object) -> T:
    """A value of just this type; raises TypeError for others."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.60} is no {kind.__name__}")
    return value


def _hint(run: Path) -> str:
    if (run / SETTINGS).is_file() and not (run / NAME).exists():
        return f"tnas 0.1 made it: start it again with --settings {quoted(run / SETTINGS)}"
    return "name the folder of a search or of a training"
