"""The command that gives a source's numbers again, from what it recorded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tnas_cli.errors import SettingsError
from tnas_cli.methods.registry import about
from tnas_cli.report.html.page import Commands
from tnas_cli.report.material import Material, Record
from tnas_cli.report.reproduce_setting import setting_options
from tnas_cli.settings.features import SCRATCH_READS
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.meta_learning import UNLIMITED
from tnas_cli.settings.preset import preset, presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

Kind = Literal["search", "train_eval"]

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
    try:
        if material.setting in ("supervised", "transfer"):
            options = setting_options(material.setting, settings)
        else:
            options = _options(kind, settings, fixed_network=bool(genotypes) and not genotypes[0].endswith(".jsonl"))
    except SettingsError as error:
        return Commands(name, tuple(lines), (f"No command is known for its settings.toml: {error.message}",))
    limit = material.plan.get("limit")
    further = ["--limit", str(limit)] if limit is not None else []
    further += ["--weights", "inherited"] if material.setting == "inherited" else []
    if (checkpoint := material.plan.get("checkpoint")) is not None:
        further += ["--checkpoint", str(checkpoint)]
    further += ["--all-tasks"] if material.plan.get("all_tasks") else []
    command = material.setting if material.setting in ("supervised", "transfer") else material.command
    lines.append(_line("tnas", command, *genotypes, *options, *further, *_machine(material)))
    return Commands(name, tuple(lines), _notes(material))


def _source_of_genotypes(material: Material) -> list[str]:
    """What `train-eval` was given: the run's copy of the records, the name of a network, or nothing where its method
    finds genotypes of its own."""
    if material.setting == "supervised" and material.settings.get("method", "given") != "given":
        return []
    networks = [str(record["network"]) for record in material.of("network") if record.get("network")]
    return networks[:1] or [str((material.folder or Path()) / "genotypes.jsonl")]


def _options(kind: Kind, settings: Mapping[str, Any], *, fixed_network: bool) -> list[str]:
    """The shortest options that reach these settings, but for those that the method does not read."""
    cls = _CLASSES[kind]
    wanted = cls.from_dict(settings)
    method = about(wanted.method)
    reads = method.reads | (SCRATCH_READS if kind == "train_eval" else frozenset())
    found: list[list[str]] = []
    for name in presets(kind):
        start = {**preset(kind, name), **method.differs, "dataset": wanted.dataset, "method": wanted.method}
        reached = cls.from_dict(start)
        # The data set, its tasks and the seed are said even where they are the defaults: they are what a reader asks.
        said = ("dataset", "protocol", "way", "shot", "query", "tasks", "seed")
        options = ["--preset", name]
        if wanted.method != cls(dataset="any").method:
            options += ["--method", wanted.method]
        for n, setting in settings_of(cls).items():
            value = getattr(wanted, n)
            if n == "method" or (n == "channels" and fixed_network) or value == "":
                continue
            if (n == "tasks" and value == UNLIMITED) or (setting.needs is not None and setting.needs not in reads):
                continue
            if n in said or getattr(reached, n) != value:
                options += setting.spelled(value)
        found.append(options)
    return min(found, key=len)


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
