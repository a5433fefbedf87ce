"""Searches that keep their best checkpoints, and adaptations that let them answer together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.conftest import TINY, Pipeline
from tests.running import succeeding, tnas
from tnas_cli.engines.torch_engine import TorchEngine, task_accuracies
from tnas_cli.episodes.cache import open_cache
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.recipes.meta_architecture import load_meta_architecture
from tnas_cli.report import task_picture
from tnas_cli.report.figures import task_grid
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.task_grid import TaskImages

TASKS = 6


@pytest.fixture(scope="module")
def run(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A search of four validations that keeps the best two."""
    length = ("--tasks", 8, "--validate-every", 2, "--validation-tasks", 4, "--ensemble", 2)
    runs = tmp_path_factory.mktemp("ensemble")
    searched = succeeding("search", *TINY, *length, "--runs", runs, *pipeline.here, "--json")
    yield Path(searched.result["run"])


def test_the_best_two_are_kept_and_the_best_of_all_is_one_of_them(run: Path) -> None:
    kept = sorted(run.glob("top-*.pt"))
    assert len(kept) == 2
    device = torch.device("cpu")
    best = load_meta_architecture(run / "best.pt", device)
    assert f"top-{best.tasks_done}.pt" in {path.name for path in kept}


def test_they_answer_by_their_mean_probabilities(pipeline: Pipeline, run: Path) -> None:
    arguments = ("--dataset", "shapes", "--tasks", TASKS, *pipeline.here, "--engine", "torch", "--json")
    together = succeeding("adapt", run / "best.pt", *arguments)
    alone = succeeding("adapt", run / "best.pt", *arguments, "--no-ensemble")
    assert (together.result["members"], alone.result["members"]) == (2, 1)

    cpu, cache = torch.device("cpu"), open_cache(Path(pipeline.prepared.result["path"]))
    members = [load_meta_architecture(path, cpu) for path in run.glob("top-*.pt")]
    settings = members[0].settings
    (batch,) = evaluation_batches(cache, "test", 3, 1, settings.query, TASKS, cpu)
    probabilities = []
    for member in members:
        learner = search_method("t-nas").learner(TorchEngine(), member.network, settings)
        probabilities.append(learner.fit(member.parameters, batch.support).transductive(batch.query_x).softmax(-1))
    expected = task_accuracies(torch.stack(probabilities).mean(0), batch.query_y).tolist()
    found = [record["accuracy"] for record in together.records[:-1]]
    assert found == pytest.approx(expected)
    # theta and the losses are the given checkpoint's own.
    for one, other in zip(together.records[:-1], alone.records[:-1], strict=True):
        assert one.keys() == other.keys()
        assert {key for key in one if one[key] != other[key]} <= {"accuracy", "inductive_accuracy", "members"}


def test_the_figure_shows_what_they_answered_together(
    pipeline: Pipeline, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, shown = tmp_path / "adapted.jsonl", []
    arguments = ("--dataset", "shapes", "--tasks", 1, *pipeline.here, "--engine", "torch", "--json")
    file.write_text(succeeding("adapt", run / "best.pt", *arguments).stdout)

    def record(name: str, title: str, task: TaskImages, note: str = "") -> Picture:
        shown.append((task, note))
        return task_grid.task_picture(name, title, task, note)

    monkeypatch.setattr(task_picture, "task_picture", record)
    succeeding("report", file, "--figures", tmp_path / "out", "--cache-dir", pipeline.cache)
    ((task, note),) = shown
    assert "2 checkpoints answered together" in note

    cpu, cache = torch.device("cpu"), open_cache(Path(pipeline.prepared.result["path"]))
    members = [load_meta_architecture(path, cpu) for path in run.glob("top-*.pt")]
    (batch,) = evaluation_batches(cache, "test", 3, 1, members[0].settings.query, 1, cpu)
    probabilities = []
    for member in members:
        learner = search_method("t-nas").learner(TorchEngine(), member.network, member.settings)
        probabilities.append(learner.fit(member.parameters, batch.support).transductive(batch.query_x)[0].softmax(-1))
    together = torch.stack(probabilities).mean(0).amax(-1).tolist()
    assert [found.probability for found in task.query] == pytest.approx(together, abs=1e-6)
    assert [found.probability for found in task.query] != pytest.approx(probabilities[0].amax(-1).tolist(), abs=1e-6)


def test_folders_are_answered_together_too(pipeline: Pipeline, run: Path) -> None:
    task = pipeline.task
    together = succeeding("adapt", run / "best.pt", task, *pipeline.here, "--json")
    alone = succeeding("adapt", run / "best.pt", task, *pipeline.here, "--json", "--no-ensemble")
    assert (together.result["members"], alone.result["members"]) == (2, 1)
    rows = [[row["probability"] for row in ran.records[0]["predictions"]] for ran in (together, alone)]
    assert rows[0] != rows[1]
    assert "2 checkpoints" in succeeding("adapt", run / "best.pt", task, *pipeline.here).stderr


def test_a_checkpoint_that_is_not_among_those_kept_answers_alone(pipeline: Pipeline, run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "best.pt"
    moved.write_bytes((run / "best.pt").read_bytes())
    arguments = ("--dataset", "shapes", "--tasks", 2, *pipeline.here, "--json")
    assert succeeding("adapt", moved, *arguments).result["members"] == 1
    refused = tnas("adapt", moved, *arguments, "--ensemble")
    assert refused.code == 2
    assert "top-*.pt" in refused.stderr and "--ensemble 5" in refused.stderr


def test_every_step_looks_at_one(pipeline: Pipeline, run: Path) -> None:
    arguments = (
        "adapt",
        run / "best.pt",
        "--dataset",
        "shapes",
        "--tasks",
        2,
        *pipeline.here,
        "--json",
        "--every-step",
    )
    assert succeeding(*arguments).result["members"] == 1
    assert tnas(*arguments, "--ensemble").code == 2
