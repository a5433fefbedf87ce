"""The commands on the HTML page lead to the settings of the run, read back by the command line itself."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tnas_cli.cli.main import app
from tnas_cli.commands import search, supervised, train_eval, transfer
from tnas_cli.methods.registry import about
from tnas_cli.recipes import trainable
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.records.kinds import Decoded
from tnas_cli.report.material import Material
from tnas_cli.report.reproduce import reproduce
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


def material(command: str, settings: Any, **parts: Any) -> Material:
    parts = {"environment": {"threads": 2, "device": "cpu"}, **parts}
    return Material(f"{command}-x-1", Path("runs/x y"), Path("runs/x y"), settings=settings.to_dict(), **parts)


def called_with(line: str, module: Any, function: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `tnas` would compute with: its engine is replaced by a recorder."""
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
    found = reproduce(
        material("search", settings, records=[{"event": "result", "command": "search", "engine": "torch"}])
    )
    prepare, line = found.lines
    assert prepare.startswith("tnas prepare-data omniglot")
    seen = called_with(line, search, "search", monkeypatch)
    assert seen["arguments"][0] == settings
    assert (seen["machine"].engine, seen["machine"].threads, seen["machine"].device) == ("torch", 2, "cpu")


@pytest.mark.parametrize("changes", TRAININGS, ids=str)
def test_a_trainings_command_leads_to_its_settings(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", changes)
    found = reproduce(material("train-eval", settings, plan={"limit": 3, "engine": "fused"}))
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [replace(GENOTYPE, way=7, shot=9)])
    seen = called_with(found.lines[1], train_eval, "train_eval", monkeypatch)
    assert shlex.split(found.lines[1])[2] == "runs/x y/genotypes.jsonl"
    assert seen["arguments"][1] == settings and seen["limit"] == 3
    assert seen["machine"].engine == "fused"


def test_a_fixed_network_is_named_and_has_no_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", {"preset": "quick", "channels": 32})
    records = [{"event": "network", "network": "4conv-32"}]
    line = reproduce(material("train-eval", settings, records=records)).lines[1]
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
    plan = {"setting": "supervised", "checkpoint": checkpoint}
    found = reproduce(material("train-eval", settings, plan=plan))
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
    found = reproduce(material("train-eval", settings, plan={"setting": "transfer", "limit": 2}))
    assert len(found.lines) == (1 if dataset.endswith(".h5") else 2)  # a file is not prepared
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [GENOTYPE])
    seen = called_with(found.lines[-1], transfer, "transfer", monkeypatch)
    assert seen["arguments"][1] == settings and seen["limit"] == 2


def test_inherited_weights_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("train_eval", {"preset": "quick", "tasks": 30})
    plan = {"setting": "inherited", "checkpoint": "a b/best.pt", "all_tasks": True}
    line = reproduce(material("train-eval", settings, plan=plan)).lines[1]
    monkeypatch.setattr(trainable, "read_trainables", lambda *_: [GENOTYPE])
    seen = called_with(line, train_eval, "inherit", monkeypatch)
    assert seen["arguments"][1] == settings
    assert (seen["checkpoint"], seen["all_tasks"]) == (Path("a b/best.pt"), True)


def test_what_a_method_does_not_read_is_not_said() -> None:
    settings = settings_of("search", {"preset": "quick", "method": "auto-maml", "beta_inner": 3.0, "nodes": 3})
    line = reproduce(material("search", settings)).lines[1]
    assert "--nodes 3" in line and "--beta-inner" not in line  # tnas 0.1 took it in silence; now it would be refused


def test_settings_of_another_version_are_not_claimed() -> None:
    found = reproduce(Material("search-x-1", Path("x"), Path("x"), settings={"dataset": "omniglot", "novel": 1}))
    assert len(found.lines) == 1 and "novel" in found.notes[0]


def adapted(task: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"event": "adapted", "task": task, "checkpoint": "a b/best.pt", "shot": 1, "inner": {"steps": 7}, **changes}


def test_adaptations_of_folders_and_of_a_data_set() -> None:
    folders = [adapted({"folder": "x/cats & dogs"}), adapted({"folder": "y"})]
    (line,) = reproduce(Material("adapted", Path("a.jsonl"), records=folders)).lines
    assert shlex.split(line) == ["tnas", "adapt", "a b/best.pt", "x/cats & dogs", "y", "--steps", "7", "--json"]
    every = [record | {"support_accuracies": [0.2, 1.0]} for record in folders]
    assert reproduce(Material("adapted", Path("a.jsonl"), records=every)).lines[0].endswith(" --every-step --json")
    for members, option in ((1, "--no-ensemble"), (5, "--ensemble")):
        together = [*folders, {"event": "result", "members": members}]
        found = reproduce(Material("adapted", Path("a.jsonl"), records=together))
        assert found.lines[0].endswith(f" {option} --json")
    tasks = [adapted({"dataset": "omniglot", "protocol": "random", "split": "test", "index": n}) for n in range(4)]
    tasks.append({"event": "result", "query": 15, "fingerprint": "0123"})
    found = reproduce(Material("adapted", Path("a.jsonl"), records=tasks))
    assert found.lines[0] == "tnas prepare-data omniglot --protocol random"
    options = "--dataset omniglot --protocol random --split test --tasks 4 --shot 1 --query 15 --steps 7 --json"
    assert found.lines[1].endswith(options)
    assert any("0123" in note for note in found.notes)


def test_results_alone_point_to_their_run() -> None:
    found = reproduce(Material("trained", Path("t.jsonl"), records=[{"event": "result", "run": "runs/x-1"}]))
    assert not found.lines and "runs/x-1" in found.notes[0]
