"""The models that come with tnas: their cards are true, they answer without data and network, and stay small."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.running import succeeding, task_folder, tnas
from tnas_cli.records.codec import decode
from tnas_cli.records.kinds import ModelCard
from tnas_cli.runs import shipped

NAMES = shipped.names()
MEGABYTE = 1_000_000


def card(name: str) -> ModelCard:
    return decode(ModelCard, json.loads((shipped.FOLDER / f"{name}.json").read_text()))


def test_there_are_models_and_they_are_small() -> None:
    assert NAMES == ["fc100-5w1s", "fc100-5w1s-search", "omniglot-5w1s", "omniglot-5w1s-search"]
    files = {path.name for path in shipped.FOLDER.iterdir()}
    assert files == {f"{name}{ending}" for name in NAMES for ending in (".json", ".pt")}
    sizes = [(shipped.FOLDER / f"{name}.pt").stat().st_size for name in NAMES]
    assert max(sizes) <= 4 * MEGABYTE
    assert sum(sizes) <= 12 * MEGABYTE


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_of_its_file(name: str) -> None:
    told, file = card(name), shipped.FOLDER / f"{name}.pt"
    assert told.name == name
    assert told.bytes == file.stat().st_size
    assert told.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [row.shot for row in told.accuracy] == [1, 5, 10]
    for row in told.accuracy:
        assert 1 / row.way < row.inductive.mean <= 1
    header = json.loads(torch.load(file, weights_only=True)["header"])
    assert header["about"]["data"]["dataset"] == told.dataset
    assert header["about"]["progress"]["tasks_done"] <= told.tasks
    assert header["about"]["calibration"]
    assert "environment" not in header["about"]
    assert not Path(header["about"]["run"]).is_absolute()
    assert all(command.startswith("tnas ") for command in told.commands)


def test_they_are_listed_and_shown() -> None:
    listed = succeeding("models")
    for name in NAMES:
        assert name in listed.stdout
    assert "next: tnas models" in listed.stderr
    shown = succeeding("models", "omniglot-5w1s").stdout
    for part in ("MIT", "tnas search --dataset omniglot", "5-way 10-shot", "fit for:", "not for:", "sha256"):
        assert part in shown
    *records, result = succeeding("models", "--json").records
    assert sorted(record["name"] for record in records) == NAMES
    reached = [record["accuracy"][0]["inductive"]["mean"] for record in records]
    assert reached == sorted(reached, reverse=True)
    assert (result["command"], result["models"]) == ("models", len(NAMES))
    ran = tnas("models", "omniglot-5w")
    assert ran.code == 2
    assert "did you mean 'omniglot-5w1s'" in ran.stderr


def test_the_first_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any prepared data, and without a home folder to find some in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TNAS_CACHE", str(tmp_path / "nothing"))
    succeeding("models", "--example", "my task")
    assert len(list(Path("my task/support").glob("*/*.png"))) == 10
    assert len(list(Path("my task/query").glob("*/*.png"))) == 20
    record, result = succeeding("adapt", "omniglot-5w1s", "my task", "--threads", 1, "--json").records
    assert record["checkpoint"] == "omniglot-5w1s"
    assert result["mean"] > 0.6  # chance is 0.2
    shown = succeeding("adapt", "omniglot-5w1s", "my task", "--threads", 1, "--save", "cats.pt")
    assert "predictions for my task" in shown.stdout
    assert succeeding("predict", "cats.pt", "my task/query", "--threads", 1, "--json").result["images"] == 20
    ran = tnas("models", "--example", "my task")
    assert ran.code == 3
    assert "exists already" in ran.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_model_adapts_to_any_way_and_shot(name: str, tmp_path: Path) -> None:
    task = task_folder(tmp_path / "task", range(3), shots=[1, 2, 3], query=2)
    record, _ = succeeding("adapt", name, task, "--threads", 1, "--engine", "torch", "--json").records
    assert len(record["predictions"]) == 6
    decoded = succeeding("decode", name, "--json").records[0]
    assert decoded["digest"]


def test_a_genotype_is_that_of_its_meta_architecture() -> None:
    for name in ("omniglot-5w1s", "fc100-5w1s"):
        trained, searched = (succeeding("decode", one, "--json").records[0] for one in (name, f"{name}-search"))
        assert trained["digest"] == searched["digest"]
        assert trained["digest"] in card(name).title


def test_a_file_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    task = task_folder(tmp_path / "task", range(3))
    Path("omniglot-5w1s").write_bytes(b"no checkpoint")
    ran = tnas("adapt", "omniglot-5w1s", task)
    assert ran.code == 4
    assert "damaged" in ran.stderr
    shutil.copy(shipped.FOLDER / "fc100-5w1s.pt", "omniglot-5w1s")
    record, _ = succeeding("adapt", "omniglot-5w1s", task, "--threads", 1, "--json").records
    assert record["data"]["dataset"] == "fc100"


def test_best_checkpoints_beside_the_working_folder_do_not_answer_with_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task = task_folder(tmp_path / "task", range(3))
    shutil.copy(shipped.FOLDER / "omniglot-5w1s.pt", "top-1.pt")
    record, _ = succeeding("adapt", "omniglot-5w1s", task, "--threads", 1, "--json").records
    assert record["members"] == 1


def test_a_name_stands_for_itself_in_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tnas("predict", "omniglot-5w1s", task_folder(tmp_path / "task", range(3)))
    assert ran.code == 4
    assert "error: omniglot-5w1s is a trained network, not an adapted model" in ran.stderr
    ran = tnas("adapt", "omniglot5w1s", tmp_path / "task")
    assert ran.code == 4
    assert "did you mean 'omniglot-5w1s'?" in ran.stderr
