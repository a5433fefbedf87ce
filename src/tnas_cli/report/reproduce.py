"""The command that reproduces a source's numbers, from what the source recorded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tnas_cli.episodes import registry
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.class_split import SHARES
from tnas_cli.episodes.decoding import UNREADABLE
from tnas_cli.episodes.own_list import AGAIN, UNUSABLE_LINES
from tnas_cli.episodes.twins import IN_CLASS, KEPT
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.methods.registry import about
from tnas_cli.recipes.weights import Weights, preset_for, weights_read
from tnas_cli.records.kinds import Adapted, FixedNetwork
from tnas_cli.records.results import AdaptResult, Measured, SearchResult
from tnas_cli.report.html.page import Commands
from tnas_cli.report.source import Source
from tnas_cli.runs import shipped
from tnas_cli.runs.endings import CACHES, has_ending
from tnas_cli.settings.features import SCRATCH_READS
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.meta_learning import UNLIMITED
from tnas_cli.settings.preset import preset, presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spelling import command

Words = list[str | Path]

Kind = Literal["search", "train_eval"]

#: The paper's settings that have a command and options of their own.
LARGE = ("supervised", "transfer")
_COMMANDS: dict[str, Kind] = {"search": "search", **dict.fromkeys(("train-eval", *LARGE), "train_eval")}
_CLASSES: dict[Kind, type[SearchSettings] | type[TrainSettings]] = {
    "search": SearchSettings,
    "train_eval": TrainSettings,
}


def reproduce(source: Source) -> Commands:
    """The commands of one source, data set first; notes where something cannot be said exactly."""
    kind = _COMMANDS.get(source.command)
    if source.folder is not None and kind is not None:
        return _of_run(source, kind)
    return _of_records(source)


def _of_run(source: Source, kind: Kind) -> Commands:
    name, settings = source.name, source.facts.settings
    root = source.facts.plan.machine.cache_root
    lines, notes = _prepare(settings.get("dataset"), settings.get("protocol"), root)
    genotypes = _source_of_genotypes(source) if kind == "train_eval" else []
    try:
        if source.setting in LARGE:
            from tnas_cli.report.reproduce_setting import setting_options

            options = setting_options(source.setting, settings)
        else:
            fixed = bool(genotypes) and not isinstance(genotypes[0], Path)
            options = _options(kind, settings, _weights_of(source), fixed_network=fixed)
    except SettingsError as error:
        return Commands(name, tuple(lines), (f"No command is known for its settings.toml: {error.message}",))
    called = source.setting if source.setting in LARGE else source.command
    where = [*_given(source), *_machine(source), *_place(root)]
    return Commands(name, (*lines, command("tnas", called, *genotypes, *options, *where)), (*notes, *_notes(source)))


def _place(root: str | None) -> Words:
    """The option that names the folder of the data."""
    return [] if root is None else ["--cache-dir", Path(root)]


def _weights_of(source: Source) -> Weights:
    plan = source.facts.plan
    if plan.kind != "inherited":
        return "scratch"
    return "inherited, all tasks" if plan.options.all_tasks else "inherited"


def _given(source: Source) -> Words:
    """Options for what a run was given besides its settings."""
    plan = source.facts.plan
    options: Words = ["--limit", str(plan.options.limit)] if plan.options.limit is not None else []
    options += ["--weights", "inherited"] if plan.kind == "inherited" else []
    options += ["--checkpoint", _checkpoint(plan.options.checkpoint)] if plan.options.checkpoint is not None else []
    options += ["--cross", str(plan.options.cross)] if plan.options.cross is not None else []
    return options + (["--all-tasks"] if plan.options.all_tasks else [])


def _checkpoint(named: str) -> str | Path:
    """A file, or the name of a model that comes with tnas."""
    return named if named in shipped.names() else Path(named)


def _source_of_genotypes(source: Source) -> Words:
    """What `train-eval` was given: the run's copy of the records, the name of a network, or nothing if its method
    finds genotypes of its own."""
    if source.setting in LARGE and source.facts.settings.get("method", "given") != "given":
        return []
    networks = [record.network for record in source.of(FixedNetwork)]
    return [*networks[:1]] or [(source.folder or Path()) / "genotypes.jsonl"]


def _options(kind: Kind, settings: Mapping[str, Any], weights: Weights, *, fixed_network: bool) -> list[str]:
    """The shortest options that reach these settings, except those that the method does not read."""
    cls = _CLASSES[kind]
    wanted = cls.from_dict(settings)
    method = about(wanted.method)
    reads = method.reads
    if kind == "train_eval":
        reads = method.reads | SCRATCH_READS if weights == "scratch" else weights_read(weights)
    found: list[list[str]] = []
    for name in presets(kind):
        start = preset_for(name, method, weights) if kind == "train_eval" else preset(kind, name) | dict(method.differs)
        reached = cls.from_dict(start | {"dataset": wanted.dataset, "method": wanted.method})
        # The data set, its tasks and the seed are named even if they are the defaults: a reader looks for them.
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


def _machine(source: Source) -> list[str]:
    """What else the last digits of the numbers depend on."""
    result, options = source.result, []
    chosen = result.engine if isinstance(result, Measured | SearchResult) else source.facts.plan.machine.engine
    if chosen:
        options += ["--engine", chosen]
    where = source.facts.environment
    if where.device == "cpu" and where.threads is not None:
        options += ["--device", "cpu", "--threads", str(where.threads)]
    return options


def _notes(source: Source) -> tuple[str, ...]:
    result, plan = source.result, source.facts.plan
    known = result if isinstance(result, Measured | SearchResult) else None
    fingerprint = (known.fingerprint if known else None) or plan.fingerprint
    version = source.facts.environment.package_version or (known.environment.package_version if known else None)
    notes = [f"Version of tnas: {version}."] if version else []
    if fingerprint:
        notes.append(f"Content hash of the prepared images: {fingerprint}.")
    argv = (result.argv if result is not None else None) or plan.argv
    if argv:
        notes.append(f"It was called as: {command(*argv)}")
    return tuple(notes)


def _of_records(source: Source) -> Commands:
    """For a file of records: the adaptation or the measurement that wrote them."""
    adapted, result = source.of(Adapted), source.result
    if not adapted:
        made = result.run if isinstance(result, Measured | SearchResult) else None
        note = (
            f"Its results come from the run {made}; report that run for its commands." if made else "It names no run."
        )
        return Commands(source.name, (), (note,))
    first, about = adapted[0], adapted[0].task
    measured = result if isinstance(result, AdaptResult) else None
    words: Words = ["tnas", "adapt", _checkpoint(first.checkpoint) if first.checkpoint else "CHECKPOINT"]
    options = _adapt_options(first, measured)
    if about.folder is not None:
        folders = [Path(record.task.folder) for record in adapted if record.task.folder is not None]
        prepared, notes = _invert(first)
        answered = ["--transductive"] if first.transductive else []
        answered += ["--reject", str(measured.reject)] if measured is not None and measured.reject else []
        line = command(*words, *folders, *prepared, *answered, *options, "--json")
        return Commands(source.name, (line,), (*notes, *_notes(source)))
    if about.dataset is None:
        return Commands(source.name, (), ("Its records do not name their tasks.",))
    dataset, root = _data_of_call(source, about.dataset)
    words += ["--dataset", dataset, *(["--protocol", about.protocol] if about.protocol else [])]
    words += ["--split", about.split or "test", "--tasks", str(len(adapted)), "--shot", str(first.shot)]
    words += ["--query", str(measured.query)] if measured is not None and measured.query else []
    lines, unknown = _prepare(str(dataset), about.protocol, root)
    line = command(*words, *options, *_place(root), "--json")
    return Commands(source.name, (*lines, line), (*unknown, *_notes(source)))


def _data_of_call(source: Source, dataset: str) -> tuple[str | Path, str | None]:
    """The data set of an adaptation and the folder of the data as its command line named them: records do not."""
    argv = list((source.result.argv if source.result is not None else None) or ())
    said = dict(itertools.pairwise(argv)) | dict(word.split("=", 1) for word in argv if "=" in word)
    named = said.get("-d") or said.get("--dataset")
    return Path(named) if named and has_ending(named, CACHES) else dataset, said.get("--cache-dir")


def _adapt_options(first: Adapted, result: AdaptResult | None) -> list[str]:
    """Steps, the classifier of single images, and how many checkpoints answered."""
    options = ["--steps", str(first.inner.steps)] if first.inner is not None else []
    options += ["--classifier", first.classifier] if first.classifier is not None else []
    if first.support_accuracies is not None:
        return [*options, "--every-step"]
    members = first.members or (result.members if result is not None else None)
    return options if members is None else [*options, "--ensemble" if members > 1 else "--no-ensemble"]


def _invert(record: Adapted) -> tuple[list[str], list[str]]:
    """The option that prepares the images as they were, and a note where the record does not say."""
    invert = None if record.preparation is None else record.preparation.invert
    if invert is None:
        return [], ["Its records do not say whether --invert was given."]
    return ([] if invert == "auto" else ["--invert", "yes" if invert else "no"]), []


def _prepare(dataset: object, protocol: object, root: str | None) -> tuple[list[str], tuple[str, ...]]:
    """The command that prepares a data set, or a note where none is known; a cache in a file is there already."""
    name = str(dataset or "")
    if not name or has_ending(name, CACHES):
        return [], ()
    spec = registry.dataset(name)
    choice = ["--protocol", str(protocol)] if protocol else []
    if spec is None or spec.name == "folder":
        return _prepare_folder(name, choice, root)
    source = ["--source", "DIR"] if spec.needs_source else []
    return [command("tnas", "prepare-data", name, *source, *choice, *_place(root))], ()


def _prepare_folder(name: str, choice: list[str], root: str | None) -> tuple[list[str], tuple[str, ...]]:
    """The command for images of the user's own, as their cache says, if it is here."""
    try:
        cache = registry.ensure(name, root=None if root is None else Path(root), offline=True)
    except TnasError:
        return [], (f"{name} was prepared from a folder of images, which is not known here.",)
    how = ["--size", str(cache.size), "--channels", str(cache.channels)]
    how += ["--resize", cache.resize] if cache.resize else []
    how += ["--split", cache.shares] if cache.shares not in ("", "/".join(map(str, SHARES))) else []
    how += ["--invert", cache.invert] if cache.invert not in ("", "no") else []
    how += _what_was_left(cache)
    given: Words = ["--source", Path(cache.source), "--name", name, *choice, *how, "--seed", str(cache.seed)]
    return [command("tnas", "prepare-data", "folder", *given, *_place(root))], ()


def _what_was_left(cache: ImageCache) -> list[str]:
    """The options without which the same files would be refused, or other images kept."""
    noted = () if cache.account is None else cache.account.noted
    unread = any(one.why in (UNREADABLE, UNUSABLE_LINES) for one in noted)
    kept = any(one.why in (IN_CLASS + KEPT, AGAIN + KEPT) for one in noted)
    return ["--skip-bad"] * unread + ["--keep-duplicates"] * kept
