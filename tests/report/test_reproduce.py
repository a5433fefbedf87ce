"""The commands on the HTML page lead to the settings of the run, read back by the command line itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.episodes.small_data import class_tree
from tests.records.examples import a_training, an_adapted
from tnas_cli.cli.main import app
from tnas_cli.commands import search, supervised, train_eval, transfer
from tnas_cli.episodes import registry
from tnas_cli.methods.registry import about
from tnas_cli.recipes import trainable
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.records import results
from tnas_cli.records.codec import decode
from tnas_cli.records.kinds import Decoded, FixedNetwork, Record
from tnas_cli.records.parts import Environment, Preparation, TaskName
from tnas_cli.report.reproduce import reproduce
from tnas_cli.report.run_folder import RunFacts, RunPlan
from tnas_cli.report.source import Source
from tnas_cli.settings.preset import preset, presets
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

SEARCHES: list[dict[str, Any]] = [
    *({"preset": name} for name in presets("search")),
    {"preset": "paper", "alternating": True, "order": "second", "seed": 3, "protocol": "vinyals"},
    {"preset": "quick", "method": "t-nas++", "step_norms": False, "way": 20},
    {"preset": "authors", "method": "auto-maml", "shot": 5, "alpha_inner": 0.25},
]
GENOTYPE = Decoded(genotype={}, digest="", darts="", parameters=None, skip_connections=None, pools=None)
TRAININGS: list[dict[str, Any]] = [
    *({"preset": name} for name in presets("train_eval")),
    {"preset": "quick", "method": "maml++", "ensemble": 3, "test_tasks": 50},
    {"preset": "paper", "method": "meta-sgd", "channels": 8},
]


def settings_of(kind: Any, changes: dict[str, Any]) -> Any:
    values = dict(changes)
    cls = SearchSettings if kind == "search" else TrainSettings
    start = preset(kind, values.pop("preset")) | dict(about(values.get("method", "maml")).differs)
    return cls.from_dict({"dataset": "omniglot"} | start | values)


def run(command: str, settings: Any, plan: dict[str, Any] | None = None, records: Sequence[Record] = ()) -> Source:
    """A run directory with these settings."""
    environment, kind = Environment(threads=2, device="cpu"), command if plan is None else plan.get("kind", command)
    facts = RunFacts(settings.to_dict(), environment, decode(RunPlan, (plan or {}) | {"kind": kind}))
    return Source(f"{command}-x-1", Path("runs/x y"), Path("runs/x y"), records=records, facts=facts)


def called_with(line: str, module: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `tnas` would compute with: a recorder replaces its engine."""
    seen: dict[str, Any] = {}

    class Stop(Exception):  # noqa: N818  nothing failed
        pass

    def record(*arguments: Any, **named: Any) -> None:
        seen.update(named, arguments=arguments)
        raise Stop

    monkeypatch.setattr(module, function, record)
    words = shlex.split(line)
    assert words[0] == "tnas"
    with pytest.raises(Stop):
        app(words[1:], standalone_mode=False)
    return seen


@pytest.mark.parametrize("changes", SEARCHES, ids=str)
def test_a_searchs_command_leads_to_its_settings(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("search", changes)
    found = reproduce(run("search", settings, {"machine": {"engine": "torch"}}))
    prepare, line = found.lines
    assert prepare.startswith("tnas prepare-data omniglot")
    seen = called_with(line, search, "search", monkeypatch)
    assert seen["arguments"][0] == settings
    assert (seen["machine"].engine, seen["machine"].threads, seen["machine"].device) == ("torch", 2, "cpu")


@pytest.mark.parametrize("changes", TRAININGS, ids=str)
def test_a_trainings_command_leads_to_its_settings(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", changes)
    found = reproduce(run("train-eval", settings, {"options": {"limit": 3}, "machine": {"engine": "fused"}}))
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [replace(GENOTYPE, way=7, shot=9)])
    seen = called_with(found.lines[1], train_eval, "train_eval", monkeypatch)
    assert shlex.split(found.lines[1])[2] == "runs/x y/genotypes.jsonl"
    assert seen["arguments"][1] == settings and seen["limit"] == 3
    assert seen["machine"].engine == "fused"


def test_a_fixed_network_is_named_and_has_no_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", {"preset": "quick", "channels": 32})
    line = reproduce(run("train-eval", settings, records=[FixedNetwork(network="4conv-32")])).lines[1]
    assert line.startswith("tnas train-eval 4conv-32 ") and "--channels" not in line


SUPERVISED: list[dict[str, Any]] = [
    {"method": "s1", "order": "second", "search_rate": 0.0125},
    {"method": "t-nas", "flip": True, "steps": 3},
    {"method": "random", "genotypes": 7, "protocol": "ravi"},
    {"seed": 4, "weight_decay": 3e-5},
]


@pytest.mark.parametrize("name", ["paper", "quick"])
@pytest.mark.parametrize("changes", SUPERVISED, ids=str)
def test_a_supervised_runs_command_leads_to_its_settings(
    changes: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = supervised_settings(name, {"dataset": "glyphs", **changes})
    checkpoint = "a b/best.pt" if changes.get("method") == "t-nas" else None
    plan = {"kind": "supervised", "options": {"checkpoint": checkpoint}}
    found = reproduce(run("supervised", settings, plan))
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [GENOTYPE])
    seen = called_with(found.lines[1], supervised, "supervised", monkeypatch)
    assert seen["arguments"][1] == settings
    assert seen["checkpoint"] == (None if checkpoint is None else Path(checkpoint))
    assert bool(seen["arguments"][0]) == ("method" not in changes)
    assert f"--preset {name}" in found.lines[1]


@pytest.mark.parametrize(
    ("name", "dataset"), [("paper", "cifar10"), ("paper", "imagenet"), ("quick", "cifar10"), ("quick", "x/toy-a-20.h5")]
)
def test_a_transfers_command_leads_to_its_settings(name: str, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"train_split": "train+val", "jitter": 0.2, "epochs": 7, "auxiliary": name == "quick"}
    settings = transfer_settings(name, {"dataset": dataset, **changes})
    found = reproduce(run("transfer", settings, {"kind": "transfer", "options": {"limit": 2}}))
    assert len(found.lines) == (1 if dataset.endswith(".h5") else 2)  # a file is not prepared
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [GENOTYPE])
    seen = called_with(found.lines[-1], transfer, "transfer", monkeypatch)
    assert seen["arguments"][1] == settings and seen["limit"] == 2


@pytest.mark.parametrize("name", ["paper", "quick"])
def test_a_transfers_command_draws_genotypes_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = transfer_settings(name, {"dataset": "cifar10", "method": "random", "genotypes": 7, "choice_epochs": 3})
    found = reproduce(run("transfer", settings, {"kind": "transfer", "options": {}}))
    seen = called_with(found.lines[-1], transfer, "transfer", monkeypatch)
    assert seen["arguments"] == ([], settings)


@pytest.mark.parametrize("alpha_outer", [0.001, 0.003])  # what inherited weights change in the preset, and its own
def test_inherited_weights_are_asked_for(alpha_outer: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", {"preset": "quick", "tasks": 30, "alpha_outer": alpha_outer})
    plan = {"kind": "inherited", "options": {"checkpoint": "a b/best.pt", "all_tasks": True}}
    line = reproduce(run("train-eval", settings, plan)).lines[1]
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [GENOTYPE])
    seen = called_with(line, train_eval, "inherit", monkeypatch)
    assert seen["arguments"][1] == settings
    assert (seen["checkpoint"], seen["all_tasks"]) == (Path("a b/best.pt"), True)


def test_what_a_method_does_not_read_is_not_said() -> None:
    settings = settings_of("search", {"preset": "quick", "method": "auto-maml", "beta_inner": 3.0, "nodes": 3})
    line = reproduce(run("search", settings)).lines[1]
    assert "--nodes 3" in line and "--beta-inner" not in line  # tnas 0.1 accepted it in silence; now it is refused


def test_settings_of_another_version_are_not_claimed() -> None:
    facts = RunFacts({"dataset": "omniglot", "novel": 1})
    found = reproduce(Source("search-x-1", Path("x"), Path("x"), facts=facts))
    assert len(found.lines) == 1 and "novel" in found.notes[0]


def of_file(*records: Record) -> Source:
    return Source("adapted", Path("a.jsonl"), records=records)


def of_folders(**changes: Any) -> list[Record]:
    tasks = [TaskName(folder="x/cats & dogs"), TaskName(folder="y")]
    return [an_adapted(task=task, checkpoint="a b/best.pt", **changes) for task in tasks]


def of_tasks(**changes: Any) -> results.AdaptResult:
    """The result of an adaptation to 15 query images a class."""
    values = {f.name: getattr(a_training(), f.name) for f in fields(results.Measured)}
    return results.AdaptResult(**values | {"weights": "inherited", "network": "search network adapted", **changes})


def test_adaptations_of_folders_and_of_a_data_set() -> None:
    (line,) = reproduce(of_file(*of_folders())).lines
    assert shlex.split(line) == ["tnas", "adapt", "a b/best.pt", "x/cats & dogs", "y", "--steps", "5", "--json"]
    by_means = reproduce(of_file(*of_folders(classifier="means"))).lines[0]
    assert "--classifier means" in by_means
    every = of_folders(support_accuracies=(0.2, 1.0))
    assert reproduce(of_file(*every)).lines[0].endswith(" --every-step --json")
    for members, option in ((1, "--no-ensemble"), (5, "--ensemble")):
        for records in ([*of_folders(), of_tasks(members=members)], of_folders(members=members)):
            assert reproduce(of_file(*records)).lines[0].endswith(f" {option} --json")
    tasks = [an_adapted(task=TaskName(dataset="omniglot", protocol="random", split="test", index=n)) for n in range(4)]
    found = reproduce(of_file(*tasks, of_tasks(fingerprint="0123")))
    assert found.lines[0] == "tnas prepare-data omniglot --protocol random"
    options = "--dataset omniglot --protocol random --split test --tasks 4 --shot 1 --query 15 --steps 5 --json"
    assert found.lines[1].endswith(options)
    assert any("0123" in note for note in found.notes)


@pytest.mark.parametrize(("invert", "words"), [(True, "--invert yes"), (False, "--invert no"), ("auto", "y --steps 5")])
def test_images_are_prepared_again_as_they_were(invert: Any, words: str) -> None:
    seen = Preparation(size=28, channels=1, mean=(0.0,), std=(1.0,), resize="fit", invert=invert)
    found = reproduce(of_file(*of_folders(preparation=seen)))
    assert words in found.lines[0] and not any("--invert" in note for note in found.notes)


def test_a_record_that_does_not_say_how_its_images_were_prepared_is_noted() -> None:
    assert "whether --invert was given" in reproduce(of_file(*of_folders())).notes[0]


def test_the_exact_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = ("tnas", "adapt", "a b/best.pt", "x")
    found = reproduce(of_file(*of_folders(), of_tasks(argv=argv)))
    assert found.notes[-1] == "It was called as: tnas adapt 'a b/best.pt' x"


def test_results_alone_point_to_their_run() -> None:
    found = reproduce(Source("trained", Path("t.jsonl"), records=[a_training(run="runs/x-1")]))
    assert not found.lines and "runs/x-1" in found.notes[0]


def test_a_folder_is_prepared_again_with_the_same_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNAS_CACHE", str(tmp_path / "cache"))
    source = class_tree(tmp_path / "own", ["a", "b", "c"])
    line = _prepared_by(source, name="plain")
    assert not {"--invert", "--skip-bad", "--keep-duplicates"} & set(line)
    (source / "a" / "again.png").write_bytes((source / "a" / "0.png").read_bytes())
    (source / "b" / "bad.png").write_text("no image")
    line = _prepared_by(source, name="all", skip_bad=True, keep_duplicates=True, invert="auto")
    assert line[line.index("--invert") + 1] == "auto" and {"--skip-bad", "--keep-duplicates"} < set(line)


def _prepared_by(source: Path, *, name: str, **options: Any) -> list[str]:
    """The words of the command that prepares the data set of a run again."""
    registry.prepare("folder", source=source, own_name=name, size=20, **options)
    lines = reproduce(run("search", settings_of("search", {"preset": "quick", "dataset": name}))).lines
    return shlex.split(next(line for line in lines if "prepare-data" in line))
