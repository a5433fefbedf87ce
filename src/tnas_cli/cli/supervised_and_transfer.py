"""`tnas train-eval --protocol supervised` and `--protocol transfer`: the paper's two other settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tnas_cli.cli.asked import Asked
from tnas_cli.cli.console import Screen, duration
from tnas_cli.errors import SettingsError, did_you_mean

if TYPE_CHECKING:
    from tnas_cli.runs.device import Machine

#: DARTS on every task is what the paper calls S1.
_ALSO = {"darts": "s1"}

INHERITED = "inherited"
METHODS = ("t-nas", "s1", "s2", "random")


@dataclass(frozen=True)
class Extra:
    """Options that only these settings have: --epochs, --layers, --checkpoint and --set."""

    epochs: int | None
    layers: int | None
    checkpoint: Path | None
    changes: Sequence[str]

    @property
    def given(self) -> dict[str, Any]:
        """Settings by name; raises SettingsError for a --set that is not NAME=VALUE."""
        named = {"epochs": self.epochs, "layers": self.layers}
        return {name: value for name, value in named.items() if value is not None} | dict(map(_change, self.changes))

    @property
    def names(self) -> list[str]:
        """The options that were given."""
        pairs = {
            "--epochs": self.epochs is not None,
            "--layers": self.layers is not None,
            "--checkpoint": self.checkpoint is not None,
            "--set": bool(self.changes),
        }
        return [name for name, given in pairs.items() if given]


def setting_meant(protocol: str | None, resume: Path | None, extra: Extra, weights: str = "scratch") -> str | None:
    """'supervised' or 'transfer', or 'inherited' for few-shot networks that keep the search's weights, where the
    options or the run to go on with mean it; else None: few-shot, from scratch.

    Raises SettingsError where only an option of these settings was given.
    """
    setting = protocol if resume is None else _kind_of(resume)
    if weights not in ("scratch", INHERITED):
        raise SettingsError(f"unknown --weights {weights!r}.", hint=did_you_mean(weights, ("scratch", INHERITED)))
    if setting in ("supervised", "transfer"):
        if weights == INHERITED:
            raise SettingsError(f"--weights inherited has no meaning in the {setting} setting.", hint="leave it out")
        return setting
    if weights == INHERITED or setting == INHERITED:
        others = [name for name in extra.names if name != "--checkpoint"]
        if others:
            raise SettingsError(f"{others[0]} has no meaning with --weights inherited.", hint="leave it out")
        return INHERITED
    if extra.names:
        raise SettingsError(
            f"{extra.names[0]} has no meaning in the few-shot setting.",
            hint="add --protocol supervised or --protocol transfer, or leave it out",
        )
    return None


def _kind_of(run: Path) -> str | None:
    from tnas_cli.runs.run_file import RunFile

    return RunFile.read(run).kind


def run_setting(setting: str, screen: Screen, asked: Asked, extra: Extra) -> None:
    """Train and measure in this setting, or go on with a run of it, and show the result."""
    asked.refuse_beside_resume(extra.names)
    if asked.dry_run:
        raise SettingsError(
            f"--dry-run estimates the few-shot setting, not {setting}.",
            hint="try what an epoch costs: --epochs 1",
        )
    if asked.machine.tensorboard and setting == "supervised":
        raise SettingsError("the trainings of the supervised setting log no steps.", hint="leave --tensorboard out")
    if asked.resume is not None:
        result = _resumed(setting, screen, asked.resume, asked.machine)
    else:
        result = (_supervised if setting == "supervised" else _transfer)(screen, asked, extra)
    if screen.as_json:
        screen.record(result)
    else:
        (_show_supervised if setting == "supervised" else _show_transfer)(screen, result)


def _resumed(setting: str, screen: Screen, run: Path, machine: Machine) -> dict[str, Any]:
    from tnas_cli.commands.resume import resume

    with screen.progress() as listener:
        return resume(run, machine=machine, listener=listener).to_json()


def _transfer(screen: Screen, asked: Asked, extra: Extra) -> dict[str, Any]:
    from tnas_cli.commands.transfer import transfer
    from tnas_cli.recipes.transfer import transfer_settings
    from tnas_cli.settings.transfer import TransferSettings

    chosen = _chosen("transfer", asked, TransferSettings)
    if extra.checkpoint is not None:
        raise SettingsError(
            "--checkpoint has no meaning in the transfer setting.",
            hint="adapt it first: tnas adapt best.pt --dataset cifar10 --json | tnas decode - --json",
        )
    records = asked.records("tnas train-eval DARTS_V2 --protocol transfer --dataset cifar10")
    settings = transfer_settings(asked.preset, chosen | extra.given)
    where: dict[str, Any] = {"runs": asked.runs, "machine": asked.machine}
    with screen.progress() as listener:
        return transfer(records, settings, limit=asked.limit, listener=listener, **where).to_json()


def _supervised(screen: Screen, asked: Asked, extra: Extra) -> dict[str, Any]:
    from tnas_cli.commands.supervised import supervised
    from tnas_cli.recipes.supervised import supervised_settings
    from tnas_cli.settings.supervised import SupervisedSettings

    chosen = _chosen("supervised", asked, SupervisedSettings)
    if asked.limit is not None:
        raise SettingsError("--limit has no meaning in the supervised setting.", hint="pass fewer genotypes")
    method = chosen.get("method")
    if method is not None:
        chosen["method"] = _ALSO.get(method, method)
        if chosen["method"] not in METHODS:
            raise SettingsError(
                f"there is no method {method!r} in the supervised setting.", hint=did_you_mean(method, METHODS)
            )
    if extra.checkpoint is not None and chosen.get("method") != "t-nas":
        raise SettingsError("--checkpoint goes with --method t-nas.", hint="add it, or leave --checkpoint out")
    records = [] if asked.genotype is None else asked.records("")
    settings = supervised_settings(asked.preset, chosen | extra.given)
    where: dict[str, Any] = {"runs": asked.runs, "machine": asked.machine}
    with screen.progress() as listener:
        return supervised(records, settings, checkpoint=extra.checkpoint, listener=listener, **where).to_json()


def _chosen(setting: str, asked: Asked, settings: type[Any]) -> dict[str, Any]:
    """The settings that the user named; raises SettingsError for one that this setting does not have."""
    chosen = {name: value for name, value in asked.given.items() if name != "protocol"}
    _check_names(setting, chosen, settings)
    return chosen


def _check_names(setting: str, chosen: Mapping[str, Any], settings: type[Any]) -> None:
    known = {field.name for field in dataclasses.fields(settings)}
    for name in chosen:
        if name not in known:
            raise SettingsError(
                f"--{name.replace('_', '-')} has no meaning in the {setting} setting.",
                hint=f"leave it out; --set NAME=VALUE changes {', '.join(sorted(known - {'dataset', 'protocol'}))}",
            )


def _change(text: str) -> tuple[str, Any]:
    """'batch=32' as a name and a whole number, a number, true, false or a text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {text} names no value.", hint="write it as --set batch=32")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _show_transfer(screen: Screen, result: dict[str, Any]) -> None:
    table = Table(title=f"{result['dataset']}, {result['layers']} cells, {result['channels']} channels")
    for name in ("genotype", "weights", "validation", f"test, {result['images']:,} images", "top 5"):
        table.add_column(name)
    for row in result["per_genotype"]:
        validation = row["validation"]
        table.add_row(
            row["digest"],
            f"{row['parameters']:,}",
            "" if validation is None else f"{_percent(validation)}%",
            f"{_percent(row['mean'])} ± {_percent(row['interval'])}%",
            f"{_percent(row['top5_mean'])}%",
        )
    screen.show(table)
    screen.text(f"error {_percent(1 - result['mean'])} ± {_percent(result['interval'])}%")
    screen.say(
        f"{result['budget']['training']['amount']:,} epochs on {result['train_split']}, 95% interval over test images, "
        f"{duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")


def _show_supervised(screen: Screen, result: dict[str, Any]) -> None:
    table = Table(title=f"{result['dataset']}, {result['way']}-way {result['shot']}-shot, {result['method']}")
    for name in ("task", "genotypes", f"test, {result['way'] * result['query']} query images"):
        table.add_column(name)
    for row in result["per_task"]:
        digests = ", ".join(entry["digest"] for entry in row["genotypes"])
        table.add_row(str(row["task"]), digests, f"{_percent(row['mean'])}%")
    screen.show(table)
    screen.text(f"accuracy {_percent(result['mean'])} ± {_percent(result['interval'])}%")
    seconds = result["search_seconds"]
    if seconds is not None:
        screen.say(f"search {duration(seconds)} per task")
    screen.say(
        f"{result['tasks']} tasks, 95% interval over tasks, {result['genotypes_trained']} networks trained for "
        f"{result['budget']['training']['amount']:,} epochs, {duration(result['wall_seconds'])}"
    )
    screen.say(f"next: tnas report {result['run']}")
