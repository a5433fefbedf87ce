"""A cell that grows node by node: which cells are trained, what chooses among them, stopping, and what is refused."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.methods import class_pictures as pictures
from tests.recipes.calls import grow, resume
from tnas_cli.commands.grow import estimate_growing
from tnas_cli.commands.train_eval import train_eval
from tnas_cli.episodes import tasks as episodes
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.recipes import grow_levels
from tnas_cli.recipes.estimate import Estimate
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.grow import grow_settings
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.runs import events
from tnas_cli.runs.device import Machine
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.growing import with_one_more

HERE = Machine("cpu", 1)
TINY: dict[str, Any] = {"way": 3, "shot": 1, "query": 2, "channels": 4, "meta_batch": 2, "inner_steps": 1}
TINY |= {"tasks": 4, "test_steps": 1, "validation_tasks": 4, "validate_every": 4, "method": "maml"}
TINY |= {"first": 4, "beam": 2, "nodes": 3}


@pytest.fixture
def images(tmp_path: Path) -> str:
    path = tmp_path / "signs-drawn-20.h5"
    pictures.characters(path)
    return str(path)


def settings(images: str, **given: Any) -> GrowSettings:
    return grow_settings("quick", TINY | {"dataset": images} | given)


def cells_of(run: Path, nodes: int) -> list[Genotype]:
    """The cells of a size that a run trained."""
    return [Genotype.from_json(cell) for cell in json.loads((run / f"level-{nodes}.json").read_text())["cells"]]


def reached(run: Path, nodes: int) -> dict[str, float]:
    """Their validation accuracies."""
    files = (run / f"level-{nodes}").glob("*/result.json")
    return {file.parent.name: json.loads(file.read_text())["validation"] for file in files}


def test_each_level_extends_the_one_before_and_the_best_of_the_last_is_kept(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_of_test(cache: Any, split: str, *more: Any) -> Any:
        assert split != "test", "a choice looked at test tasks"
        return evaluation_indices(cache, split, *more)

    evaluation_indices = episodes.evaluation_indices
    monkeypatch.setattr(episodes, "evaluation_indices", none_of_test)
    monkeypatch.setattr("tnas_cli.methods.streams.evaluation_indices", none_of_test)
    result = grow(settings(images), runs=tmp_path / "runs", machine=HERE)
    run = Path(result["run"])
    assert run.name == "grow-signs-3w1s-maml-1"
    levels = [cells_of(run, nodes) for nodes in (1, 2, 3)]
    assert [len(level) for level in levels] == [4, 2, 2]
    for before, level in pairwise(levels):
        possible = {larger for cell in before for larger in with_one_more(cell, DARTS)}
        assert set(level) <= possible
    last = reached(run, 3)
    assert {cell.digest for cell in levels[2]} == last.keys()
    assert (last[result["digest"]], result["validation_accuracy"]) == (max(last.values()),) * 2
    assert [(row["nodes"], row["considered"], row["trained"]) for row in result["levels"]] == [
        (1, 105, 4),
        (2, 4 * 231, 2),
        (3, 2 * 406, 2),
    ]
    assert result["levels"][0]["best"] == max(reached(run, 1).values())
    assert result["trained"] == 8 and not list(run.rglob("*.pt"))  # no weights are left
    (record,) = read_genotypes(result["path"])
    assert (record.digest, record.method, record.way, record.shot, record.channels) == (
        result["digest"],
        "auto-meta",
        3,
        1,
        4,
    )


def test_the_predictor_has_all_measurements_and_decides(
    images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def last_are_best(
        measured: Sequence[Genotype], accuracies: Sequence[float], cells: Sequence[Genotype], *more: Any
    ) -> list[float]:
        asked.append(len(measured))
        assert len(accuracies) == len(measured)
        return [number / len(cells) for number in range(len(cells))]

    monkeypatch.setattr(grow_levels, "predicted", last_are_best)
    run = Path(grow(settings(images), runs=tmp_path / "runs", machine=HERE)["run"])
    assert asked == [4, 6]
    # The last ones considered extend the worst cell of the level before.
    worst = min(reached(run, 1), key=lambda digest: reached(run, 1)[digest])
    possible = {cell.digest: with_one_more(cell, DARTS) for cell in cells_of(run, 1)}
    tied = [digest for digest, accuracy in reached(run, 1).items() if accuracy == reached(run, 1)[worst]]
    assert any(cells_of(run, 2) == possible[digest][:-3:-1] for digest in tied)


def test_the_chosen_cell_is_trained_by_the_next_command(images: str, tmp_path: Path) -> None:
    found = grow(settings(images, nodes=2), runs=tmp_path / "runs", machine=HERE)
    records = read_genotypes(found["path"])
    given = {"dataset": images, "query": 2, "tasks": 4, "inner_steps": 1, "test_tasks": 2, "validation_tasks": 2}
    measured = train_eval(records, settings_for(records, "quick", given), runs=tmp_path / "runs", machine=HERE)
    assert (measured.method, measured.genotypes, measured.way) == ("auto-meta", 1, 3)


# 2 steps and a validation each: within the second cell, after the first level, within the last one.
@pytest.mark.parametrize("done", [3, 9, 14])
def test_a_stopped_run_goes_on_to_the_same_cell(images: str, tmp_path: Path, done: int) -> None:
    whole = grow(settings(images), runs=tmp_path / "whole", machine=HERE)
    steps = 0

    def stop(event: events.Event) -> None:
        nonlocal steps
        if isinstance(event, events.Progress):
            steps += 1
            if steps == done:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="saved in"):
        grow(settings(images), runs=tmp_path / "cut", machine=HERE, listener=stop)
    (run,) = (tmp_path / "cut").iterdir()
    resumed = resume(run, machine=HERE)
    assert resumed["resumed"]
    for key in ("digest", "levels", "validation_accuracy", "trained"):
        assert resumed[key] == whole[key]


def test_what_it_will_cost_counts_all_cells_by_their_size(images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_its_size(network: DecodedNetwork, *more: Any) -> tuple[Estimate, None]:
        nodes = len(network.genotype.cell("normal")) // 2
        return Estimate(100 * nodes, None, 0.1, 0.2, 2, 10.0**nodes), None

    monkeypatch.setattr("tnas_cli.recipes.estimate_growing.estimate_network", of_its_size)
    found = estimate_growing(settings(images), machine=HERE)
    assert (found.cells, found.side_by_side, found.parameters) == (4 + 2 + 2, 1, 300)
    assert found.total_seconds == 4 * 10 + 2 * 100 + 2 * 1000


def test_what_it_will_cost_needs_no_test_tasks(tmp_path: Path) -> None:
    path = tmp_path / "signs-drawn-20.h5"
    pictures.characters(path, {"train": 4, "val": 3, "test": 1})
    found = estimate_growing(settings(str(path)), machine=HERE)
    assert found.total_seconds > 8 * found.seconds_per_validation > 0


def test_what_is_refused(images: str, tmp_path: Path) -> None:
    for name, value in (("beam", 0), ("first", 1), ("nodes", 0)):
        with pytest.raises(SettingsError, match=f"{name} is {value}"):
            settings(images, **{name: value})
    with pytest.raises(SettingsError, match="--hours has no effect on many short trainings"):
        settings(images, hours=1.0)
    with pytest.raises(SettingsError, match="--test-tasks has no effect"):
        settings(images, test_tasks=10)
    with pytest.raises(SettingsError, match="unknown space"):
        grow(settings(images, space="dart"), runs=tmp_path, machine=HERE)
    with pytest.raises(SettingsError):  # its own network, and not a cell
        grow(grow_settings("quick", {"dataset": images, "method": "tadam"}), runs=tmp_path, machine=HERE)
    with pytest.raises(SettingsError, match="--way 9"):
        grow(settings(images, way=9), runs=tmp_path, machine=HERE)
    with pytest.raises(DataError):
        grow(settings("nothing.h5"), runs=tmp_path, machine=HERE)
    assert not list(tmp_path.glob("grow-*"))  # nothing was begun
