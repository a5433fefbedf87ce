"""The supervised setting from a method to a result: where genotypes come from, and resuming after a stop."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
from tests.methods import class_pictures as pictures
from tests.recipes.calls import resume, supervised
from tnas_cli.episodes.cache import open_cache
from tnas_cli.episodes.tasks import TaskBatch, evaluation_indices, load_batch
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.recipes import supervised_search
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.meta_architecture import KIND
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.records.reading import parse
from tnas_cli.records.results import SupervisedResult
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.run_file import RunFile
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import draw
from tnas_cli.spaces.search_network import SearchNetwork

HERE = Machine("cpu", 1, engine="torch")
TINY: dict[str, Any] = {"way": 3, "shot": 6, "query": 4, "tasks": 2, "channels": 4, "batch": 18, "padding": 1}
TINY |= {"epochs": 2, "search_epochs": 2, "search_batch": 9, "genotypes": 2, "flip": False}


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5"
    pictures.characters(path)
    return str(path)


def settings(signs: str, **given: Any) -> Any:
    return supervised_settings("quick", {}, TINY | {"dataset": signs} | given)


def best(path: Path, size: int = 20) -> Path:
    """A meta-architecture of a 2-way search, with untrained weights."""
    network = SearchNetwork(2, 1, 4)
    about = {
        "settings": SearchSettings("signs", way=2, channels=4, test_steps=2, beta_inner=300.0).to_dict(),
        "data": {"dataset": "signs", "protocol": "drawn", "size": size, "channels": 1, "mean": [0.25], "std": [0.5]},
        "progress": {"tasks_done": 40},
        "run": "runs/search-1",
    }
    drawn = draw(network.specs(), torch_generator(0, "meta"))
    tensors = {f"parameters/{name}": tensor for name, tensor in drawn.items()}
    checkpoint.save(path, checkpoint.Checkpoint(KIND, about, tensors))
    return path


def genotypes_of(result: dict[str, Any]) -> list[list[str]]:
    return [[entry["digest"] for entry in row["genotypes"]] for row in result["per_task"]]


def test_s1_searches_every_task_and_measures_the_time(signs: str, tmp_path: Path) -> None:
    result = supervised([], settings(signs, method="s1"), runs=tmp_path, machine=HERE)
    assert (result["setting"], result["method"], result["order"]) == ("supervised", "s1", "first")
    assert (result["way"], result["shot"], result["query"], result["tasks"]) == (3, 6, 4, 2)
    assert [len(own) for own in genotypes_of(result)] == [1, 1]
    assert 0 < result["search_seconds"] < result["wall_seconds"]
    assert result["budget"] == {"training": {"amount": 2, "unit": "epochs", "each": "task and genotype"}}
    assert result["engine"] == "torch"
    record = parse(result)
    assert isinstance(record, SupervisedResult) and record.search_seconds == result["search_seconds"]
    logged = (Path(result["run"]) / "events.jsonl").read_text().splitlines()
    assert json.loads(logged[-1]) == json.loads(json.dumps(result))


def test_s2_takes_the_same_genotypes_of_training_tasks_for_all(signs: str, tmp_path: Path) -> None:
    result = supervised([], settings(signs, method="s2", order="second"), runs=tmp_path, machine=HERE)
    first, second = genotypes_of(result)
    assert first == second and len(first) == 2
    assert result["search_seconds"] is None and result["search_seconds_before"] > 0
    assert result["order"] == "second"
    assert result["genotypes"] == 4


def test_s2_searches_on_training_tasks(signs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[TaskBatch] = []

    def darts(engine: Any, network: Any, batch: TaskBatch, *rest: Any) -> Any:
        seen.append(batch)
        return original(engine, network, batch, *rest)

    original = supervised_search.darts
    monkeypatch.setattr(supervised_search, "darts", darts)
    supervised([], settings(signs, method="s2", epochs=1), runs=tmp_path, machine=HERE)
    cache = open_cache(Path(signs))
    expected = load_batch(cache, evaluation_indices(cache, "train", 3, 6, 4, 2), 6)
    (batch,) = seen
    assert torch.equal(batch.support_x, expected.support_x)


def test_search_seconds_are_those_of_one_task(signs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(supervised_search, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    result = supervised([], settings(signs, method="s1", epochs=1), runs=tmp_path, machine=HERE)
    assert result["search_seconds"] == 3.0  # two tasks in six seconds


def test_random_draws_others_for_every_task(signs: str, tmp_path: Path) -> None:
    result = supervised([], settings(signs, method="random"), runs=tmp_path, machine=HERE)
    drawn = genotypes_of(result)
    assert len({digest for own in drawn for digest in own}) == 4
    assert result["search_seconds"] is None
    again = supervised([], settings(signs, method="random", seed=1), runs=tmp_path, machine=HERE)
    assert genotypes_of(again) != drawn


def test_t_nas_adapts_a_checkpoint_to_more_classes(signs: str, tmp_path: Path) -> None:
    path = best(tmp_path / "best.pt")
    chosen = settings(signs, method="t-nas", adapt_batch=9)
    result = supervised([], chosen, checkpoint=path, runs=tmp_path, machine=HERE)
    assert result["budget"]["search"] == {"amount": 40, "unit": "tasks"}
    assert result["search_seconds"] > 0
    first, second = genotypes_of(result)
    assert first != second  # such a large rate of theta makes the tasks differ
    path.unlink()  # found genotypes are read, without the checkpoint
    assert resume(Path(result["run"]), machine=HERE)["mean"] == result["mean"]


def test_given_genotypes_are_trained_on_all_tasks(signs: str, tmp_path: Path) -> None:
    records = [decoded(AUTO_MAML_1SHOT, Origin(method="t-nas")), *read_genotypes("auto-maml-5shot")]
    result = supervised(records, settings(signs, epochs=8), runs=tmp_path, machine=HERE)
    assert genotypes_of(result) == [[AUTO_MAML_1SHOT.digest, AUTO_MAML_5SHOT.digest]] * 2
    assert result["method"] == "mixed"
    assert result["mean"] > 0.55  # chance is a third


def test_a_stopped_run_reads_what_it_found_and_finished(signs: str, tmp_path: Path) -> None:
    chosen = settings(signs, method="random")
    whole = supervised([], chosen, runs=tmp_path / "whole", machine=HERE)

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.stage == "network 3 of 4" and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="everything so far is saved"):
        supervised([], chosen, runs=tmp_path / "cut", machine=HERE, listener=stop)
    (run,) = (tmp_path / "cut").iterdir()
    assert RunFile.read(run).kind == "supervised"
    stages = []
    resumed = resume(
        run, machine=HERE, listener=lambda e: stages.append(e.stage) if isinstance(e, events.Progress) else None
    )
    assert set(stages) == {"network 3 of 4", "network 4 of 4"}
    for key in ("mean", "interval", "per_task", "parameters_mean"):
        assert resumed[key] == whole[key]


def test_cells_outside_of_the_search_space_are_trained(signs: str, tmp_path: Path) -> None:
    cell = [["skip_connect", 0], ["max_pool_2x2", 1]]
    cells = {"normal": cell, "normal_concat": [0, 2], "reduce": cell, "reduce_concat": [1, 2]}
    result = supervised(read_genotypes(json.dumps(cells)), settings(signs), runs=tmp_path, machine=HERE)
    assert result["genotypes_trained"] == result["tasks"]


def test_what_is_refused(signs: str, tmp_path: Path) -> None:
    def run(records: list[Any], **given: Any) -> None:
        supervised(records, settings(signs, **given), runs=tmp_path, machine=HERE)

    with pytest.raises(SettingsError, match="no genotype was given"):
        run([])
    with pytest.raises(SettingsError, match="both a genotype and a method"):
        run(read_genotypes("DARTS_V1"), method="random")
    with pytest.raises(SettingsError, match="none is given"):
        run([], method="t-nas")
    with pytest.raises(SettingsError, match="--way 5"):
        run([], method="s1", way=5)
    chosen = settings(signs, method="t-nas")
    with pytest.raises(SettingsError, match="28 pixels"):
        supervised([], chosen, checkpoint=best(tmp_path / "28.pt", size=28), runs=tmp_path, machine=HERE)
    with pytest.raises(DataError, match="not a run that can be continued"):
        resume(tmp_path, machine=HERE)
    assert not list(tmp_path.glob("supervised-*"))  # nothing was begun


@pytest.mark.parametrize("method", ["s1", "s2"])
def test_an_engine_that_cannot_search_is_refused_before_anything_is_written(
    method: str, signs: str, tmp_path: Path
) -> None:
    chosen = settings(signs, method=method, order="second", channels=8)
    with pytest.raises(SettingsError, match="first-order gradients only"):
        supervised([], chosen, runs=tmp_path / "runs", machine=Machine("cpu", 1, engine="fused"))
    assert not (tmp_path / "runs").exists()
