"""What answers for single images, from the command line: statistics of the meta-training, and the classifier."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SEARCH, TRAINING, Pipeline
from tests.running import Ran, succeeding, tnas


def probabilities(ran: Ran) -> dict[str, tuple[str, float]]:
    """Class and probability of every predicted image of one task folder, by its name."""
    return {Path(row["image"]).name: (row["class"], row["probability"]) for row in ran.records[0]["predictions"]}


def test_the_classifier_is_chosen_and_said(pipeline: Pipeline) -> None:
    common = ("adapt", pipeline.best, pipeline.task, *pipeline.here)
    by = {name: succeeding(*common, "--classifier", name, "--json") for name in ("linear", "means")}
    for name, ran in by.items():
        assert {record["classifier"] for record in ran.records} == {name}
    assert probabilities(by["linear"]) != probabilities(by["means"])
    usual = succeeding(*common, "--json")
    assert probabilities(usual) == probabilities(by[usual.result["classifier"]])
    assert "by class means" in succeeding(*common, "--classifier", "means").stderr
    assert "by class means" not in succeeding(*common, "--classifier", "linear").stderr


def test_tasks_of_a_data_set_keep_the_published_answer(pipeline: Pipeline) -> None:
    common = ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 3, *pipeline.here, "--json")
    linear, means = (succeeding(*common, "--classifier", name).records for name in ("linear", "means"))
    assert [one.get("accuracy") for one in linear] == [one.get("accuracy") for one in means]
    assert linear[-1]["mean"] == means[-1]["mean"]
    steps = ("--every-step", "--classifier", "means")
    by_step = succeeding("adapt", pipeline.best, pipeline.task, *steps, *pipeline.here, "--json").records[0]
    assert by_step["query_accuracies"][-1] == by_step["accuracy"]


def test_a_kept_model_keeps_its_classifier(pipeline: Pipeline, tmp_path: Path) -> None:
    for name in ("linear", "means"):
        model = tmp_path / f"{name}.pt"
        common = ("--classifier", name, "--save", model, *pipeline.here, "--json")
        expected = probabilities(succeeding("adapt", pipeline.best, pipeline.task, *common))
        *rows, _ = succeeding("predict", model, pipeline.task / "query", "--threads", 1, "--json").records
        assert {Path(row["image"]).name: (row["class"], row["probability"]) for row in rows} == expected


def test_what_has_no_such_choice_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    common = ("--dataset", "shapes", "--way", 3, "--shot", 1, *TRAINING, "--test-tasks", 2, *pipeline.here)
    run = succeeding("train-eval", "4conv", "--method", "protonets", *common, "--runs", tmp_path, "--json").result[
        "run"
    ]
    ran = tnas("adapt", "--from", run, pipeline.task, "--classifier", "means", *pipeline.here)
    assert ran.code == 2
    assert "protonets compares images in its own way" in ran.stderr
    ran = tnas("adapt", pipeline.best, pipeline.task, "--classifier", "cosine", *pipeline.here)
    assert ran.code == 2
    assert "choose linear or means" in ran.stderr
    ran = tnas("train-eval", "4conv", "--method", "protonets", "--statistics", "support", *common, "--runs", tmp_path)
    assert ran.code == 2
    assert "--statistics has no effect with protonets" in ran.stderr


@pytest.mark.parametrize("statistics", ["support", "task"])
def test_a_search_and_a_training_by_other_statistics(pipeline: Pipeline, statistics: str, tmp_path: Path) -> None:
    """From the search to a kept model: each step knows how the one before it was trained."""
    options = ("--statistics", statistics, "--runs", tmp_path / "runs", *pipeline.here, "--json")
    searched = succeeding("search", *SEARCH, *options).result
    usual = pipeline.searched.result
    assert searched["validation_accuracy"] is not None
    best, model = searched["checkpoint"], tmp_path / "model.pt"
    adapted = succeeding("adapt", best, "--dataset", "shapes", "--tasks", 2, *pipeline.here, "--json")
    thetas = [record["theta"] for record in adapted.records[:-1]]
    assert thetas != [record["theta"] for record in pipeline.adapted.records[:2]]
    assert usual["checkpoint"] != best
    kept = succeeding("adapt", best, pipeline.task, "--save", model, *pipeline.here, "--json")
    *rows, _ = succeeding("predict", model, pipeline.task / "query", "--threads", 1, "--json").records
    found = {Path(row["image"]).name: (row["class"], row["probability"]) for row in rows}
    assert found == {n: (label, pytest.approx(p, abs=1e-6)) for n, (label, p) in probabilities(kept).items()}
    decoded = succeeding("decode", "-", "--json", stdin=adapted.stdout).stdout
    trained = ("train-eval", "-", *TRAINING, "--test-tasks", 2, "--limit", 1, *options)
    result = succeeding(*trained, stdin=decoded).result
    assert result["classifier"] in ("linear", "means")
    again = succeeding("adapt", "--from", result["run"], "--dataset", "shapes", "--tasks", 2, *pipeline.here, "--json")
    assert again.result["inductive"]["mean"] == pytest.approx(result["inductive"]["mean"])
