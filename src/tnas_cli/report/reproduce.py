"""The command that gives a source's numbers again, from what it recorded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tnas_cli.errors import SettingsError
from tnas_cli.report.html.page import Commands
from tnas_cli.report.material import Material, Record
from tnas_cli.report.reproduce_setting import setting_options
from tnas_cli.settings.few_shot import UNLIMITED, SearchSettings, TrainSettings, of_method, preset, presets

Kind = Literal["search", "train_eval"]

#: Settings that no option sets: only a preset or a method does.
NO_OPTION: dict[Kind, tuple[str, ...]] = {
    "search": ("reduction", "train_split", "nodes", "theta_betas", "theta_weight_decay"),
    "train_eval": ("reduction", "train_split"),
}
_COMMANDS: dict[str, Kind] = {"search": "search", "train-eval": "train_eval"}
_CLASSES: dict[Kind, type[SearchSettings] | type[TrainSettings]] = {
    "search": SearchSettings,
    "train_eval": TrainSettings,
}


def reproduce(material: Material) -> Commands:
    """The commands of one source, data set first; notes where something cannot be said exactly."""
    kind = _COMMANDS.get(material.command)
    if material.folder is not None and kind is not None:
        return _of_run(material, kind)
    return _of_records(material)


def _of_run(material: Material, kind: Kind) -> Commands:
    name, settings = material.name, material.settings
    lines: list[str] = []
    if "dataset" in settings and not str(settings["dataset"]).endswith((".h5", ".hdf5")):
        lines.append(_prepare(settings["dataset"], settings.get("protocol")))
    genotypes = _source_of_genotypes(material) if kind == "train_eval" else []
    options: list[str] | None
    try:
        if material.setting in ("supervised", "transfer"):
            options = setting_options(material.setting, settings)
        else:
            options = _options(kind, settings, fixed_network=bool(genotypes) and not genotypes[0].endswith(".jsonl"))
    except SettingsError as error:
        return Commands(name, tuple(lines), (f"No command is known for its settings.toml: {error.message}",))
    if options is None:
        values = ", ".join(f"{n} = {settings[n]}" for n in NO_OPTION[kind] if n in settings)
        note = f"No preset and options reach all settings ({values}). From Python: tnas_cli with its settings.toml."
        return Commands(name, tuple(lines), (note,))
    limit = material.plan.get("limit")
    further = ["--limit", str(limit)] if limit is not None else []
    further += ["--weights", "inherited"] if material.setting == "inherited" else []
    if (checkpoint := material.plan.get("checkpoint")) is not None:
        further += ["--checkpoint", str(checkpoint)]
    further += ["--all-tasks"] if material.plan.get("all_tasks") else []
    lines.append(_line("tnas", material.command, *genotypes, *options, *further, *_machine(material)))
    return Commands(name, tuple(lines), _notes(material))


def _source_of_genotypes(material: Material) -> list[str]:
    """What `train-eval` was given: the run's copy of the records, the name of a network, or nothing where its method
    finds genotypes of its own."""
    if material.setting == "supervised" and material.settings.get("method", "given") != "given":
        return []
    networks = [str(record["network"]) for record in material.of("network") if record.get("network")]
    return networks[:1] or [str((material.folder or Path()) / "genotypes.jsonl")]


def _options(kind: Kind, settings: Mapping[str, Any], *, fixed_network: bool) -> list[str] | None:
    """The shortest options that reach exactly these settings; None where no preset leads there."""
    cls = _CLASSES[kind]
    wanted = cls.from_dict(settings).to_dict()
    method = wanted.get("method")
    found: list[list[str]] = []
    for name in presets(kind):
        start = preset(kind, name) | of_method(kind, method) | {"dataset": wanted["dataset"], "method": method}
        reached = cls.from_dict(start).to_dict()
        if any(reached[n] != wanted[n] for n in NO_OPTION[kind]):
            continue
        # The data set, its tasks and the seed are said even where they are the defaults: they are what a reader asks.
        said = ("dataset", "protocol", "way", "shot", "query", "tasks", "seed")
        options = ["--preset", name]
        if method != cls(dataset="any").method:
            options += ["--method", str(method)]
        for n, value in wanted.items():
            if n in ("method", *NO_OPTION[kind]) or (n == "channels" and fixed_network) or value == "":
                continue
            if n == "tasks" and value == UNLIMITED:
                continue
            if n in said or reached[n] != value:
                options += _option(n, value)
        found.append(options)
    return min(found, key=len, default=None)


def _option(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if name == "alternating":
        return ["--alternating" if value else "--simultaneous"]
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", str(value)]


def _machine(material: Material) -> list[str]:
    """What else the numbers depend on, to their last digits."""
    result, options = material.result, []
    if engine := result.get("engine", material.plan.get("engine")):
        options += ["--engine", str(engine)]
    threads, device = material.environment.get("threads"), material.environment.get("device")
    if device == "cpu" and threads is not None:
        options += ["--device", "cpu", "--threads", str(threads)]
    return options


def _notes(material: Material) -> tuple[str, ...]:
    fingerprint = material.result.get("fingerprint", material.plan.get("fingerprint"))
    version = material.environment.get("package_version", material.result.get("package_version"))
    notes = [f"Version of tnas: {version}."] if version else []
    if fingerprint:
        notes.append(f"Content hash of the prepared images: {fingerprint}.")
    return tuple(notes)


def _of_records(material: Material) -> Commands:
    """Of a file of records: the adaptation or the measurement that wrote them."""
    adapted, result = material.of("adapted"), material.result
    if not adapted:
        made = result.get("run")
        note = f"Its results come from the run {made}; its commands are there." if made else "It names no run."
        return Commands(material.name, (), (note,))
    first = adapted[0]
    tasks = [record["task"] for record in adapted if isinstance(record.get("task"), dict)]
    if not tasks:
        return Commands(material.name, (), ("Its records do not name their tasks.",))
    steps = _nested(first, "inner", "steps")
    options = ["--steps", str(steps)] if steps is not None else []
    options += ["--every-step"] if "support_accuracies" in first else []
    if "members" in result and "--every-step" not in options:
        options.append("--ensemble" if result["members"] > 1 else "--no-ensemble")
    checkpoint = str(first.get("checkpoint", "best.pt"))
    if "folder" in tasks[0]:
        folders = [str(task.get("folder")) for task in tasks]
        return Commands(material.name, (_line("tnas", "adapt", checkpoint, *folders, *options, "--json"),))
    about = tasks[0]
    line = ["tnas", "adapt", checkpoint, "--dataset", str(about.get("dataset"))]
    if about.get("protocol"):
        line += ["--protocol", str(about["protocol"])]
    line += ["--split", str(about.get("split")), "--tasks", str(len(adapted)), "--shot", str(first.get("shot"))]
    if result.get("query"):
        line += ["--query", str(result["query"])]
    prepare = _prepare(str(about.get("dataset")), about.get("protocol"))
    return Commands(material.name, (prepare, _line(*line, *options, "--json")), _notes(material))


def _prepare(dataset: Any, protocol: Any) -> str:
    return _line("tnas", "prepare-data", str(dataset), *(["--protocol", str(protocol)] if protocol else []))


def _nested(record: Record, *names: str) -> Any:
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _line(*words: str) -> str:
    """A command line as a shell reads it, words with spaces and signs quoted."""
    return " ".join(map(shlex.quote, words))
