"""Writes what shells complete, src/tnas_cli/cli/completions.json, from the commands' declarations: `make docs`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

from typer.main import get_command

from tnas_cli.cli.main import app
from tnas_cli.episodes import registry
from tnas_cli.methods.registry import search_methods, training_methods
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.preset import presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces import networks
from tnas_cli.spaces.known_genotypes import KNOWN
from tnas_cli.spaces.registry import spaces

TABLE = Path(__file__).parents[1] / "src" / "tnas_cli" / "cli" / "completions.json"

SETTINGS: dict[str, Any] = {
    "search": SearchSettings,
    "train-eval": TrainSettings,
    "supervised": SupervisedSettings,
    "transfer": TransferSettings,
    "grow": GrowSettings,
}
METHODS = {"search": search_methods(), "train-eval": training_methods(), "grow": training_methods()}
GENOTYPES = tuple(known.name for known in KNOWN)


def words() -> dict[str, Any]:
    """Each command with its help, its arguments and its options; where a list of words, the name of a list that is made
    when it is asked for ("runs", "models"), or nothing (files) stands for what may follow."""
    group: Any = get_command(app)
    commands = {name: _command(name, command) for name, command in group.commands.items()}
    options = {name: _option("", option) for option in group.params for name in option.opts}
    return {"options": options, "commands": commands}


def _command(name: str, command: Any) -> dict[str, Any]:
    options = [p for p in command.params if p.param_type_name == "option"]
    return {
        "help": inspect.cleandoc(command.help).splitlines()[0],
        "arguments": [_values(name, p) for p in command.params if p.param_type_name == "argument"],
        "options": {spelled: _option(name, p) for p in options for spelled in (*p.opts, *p.secondary_opts)},
    }


def _option(command: str, option: Any) -> dict[str, Any]:
    takes = 0 if option.is_flag else option.nargs
    return {"help": " ".join((option.help or "").split()), "takes": takes, "values": _values(command, option)}


def _values(command: str, parameter: Any) -> list[str] | str | None:
    """What may be typed for a parameter."""
    name = parameter.name
    if command in SETTINGS and (setting := settings_of(SETTINGS[command]).get(name)) is not None and setting.choices:
        return list(setting.choices)
    if name == "preset":
        return list(presets(SETTINGS.get(command, TrainSettings).presets))
    found: dict[str, list[str] | str] = {
        "dataset": sorted(registry.names()),
        "method": sorted(METHODS.get(command, (*search_methods(), *training_methods()))),
        "space": list(spaces()),
        "genotype": sorted((*GENOTYPES, *networks.names())),
        "source": sorted(GENOTYPES) if command == "decode" else "",
        "run": "runs",
        "from_": "runs",
        "from_run": "runs",
        "model": "models",
        "paths": "models",
        "name": "models" if command == "models" else "",
    }
    if command == "report" and parameter.param_type_name == "argument":
        return "runs"
    return found.get(name) or None


if __name__ == "__main__":
    TABLE.write_text(json.dumps(words(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
