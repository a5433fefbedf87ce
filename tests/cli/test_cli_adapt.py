"""`tnas adapt` on folders of images: what it accepts, and that tasks give the same results together and alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import Pipeline
from tests.running import succeeding, task_folder
from tnas_cli.engines.torch_engine import TorchEngine, task_accuracies
from tnas_cli.episodes.cache import open_cache
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.recipes.meta_architecture import load_meta_architecture
from tnas_cli.spaces.parameters import for_tasks

CLASSES = range(18, 21)


def adapted(pipeline: Pipeline, *folders: Path, options: tuple[str | int, ...] = ()) -> list[dict[str, Any]]:
    """The records of `tnas adapt` on task folders, without the result."""
    records = succeeding("adapt", pipeline.best, *folders, *options, *pipeline.here, "--json").records
    assert records[-1]["tasks"] == len(folders)
    return records[:-1]


def test_labelled_query_images_are_measured(pipeline: Pipeline) -> None:
    record, result = pipeline.adapted_folder.records
    rows = record["predictions"]
    assert len(rows) == 6
    assert {row["label"] for row in rows} == set(record["classes"]) == {"c18", "c19", "c20"}
    right = sum(row["class"] == row["label"] for row in rows)
    assert record["accuracy"] == pytest.approx(right / 6)
    assert result["mean"] == record["accuracy"]


def test_every_step_is_an_adaptation_that_ends_there(pipeline: Pipeline, tmp_path: Path) -> None:
    """Compared with adaptations of fewer steps; step 0 is compared with a network that has not adapted."""
    arguments = ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 4, *pipeline.here, "--json")
    records = succeeding(*arguments, "--steps", 3, "--every-step").records[:-1]
    plain = succeeding(*arguments, "--steps", 3).records[:-1]
    added = {"support_accuracies", "query_accuracies"}
    assert [{key: value for key, value in r.items() if key not in added} for r in records] == plain
    for record in records:
        assert len(record["support_accuracies"]) == len(record["query_accuracies"]) == 4
        assert record["query_accuracies"][-1] == record["accuracy"]
    for steps in (1, 2):
        fewer = succeeding(*arguments, "--steps", steps).records[:-1]
        found = [record["query_accuracies"][steps] for record in records]
        assert found == pytest.approx([record["accuracy"] for record in fewer])
    meta = load_meta_architecture(pipeline.best, torch.device("cpu"))
    cache = open_cache(Path(pipeline.prepared.result["path"]))
    (batch,) = evaluation_batches(cache, "test", 3, 1, meta.settings.query, 4, torch.device("cpu"))
    logits = TorchEngine().predict(meta.network, for_tasks(meta.parameters, 4), batch.query_x)
    before = [record["query_accuracies"][0] for record in records]
    assert before == pytest.approx(task_accuracies(logits, batch.query_y).tolist())
    shown = succeeding(*(argument for argument in arguments if argument != "--json"), "--every-step").stdout
    assert "accuracy, per step" in shown


def test_every_step_of_a_folder(pipeline: Pipeline, tmp_path: Path) -> None:
    folders = [
        task_folder(tmp_path / "labelled", CLASSES),
        task_folder(tmp_path / "unlabelled", CLASSES, labelled=False),
        task_folder(tmp_path / "empty", CLASSES, query=0),
    ]
    found = adapted(pipeline, *folders, options=("--every-step",))
    assert found[0]["query_accuracies"][-1] == found[0]["accuracy"]
    assert not any("query_accuracies" in record for record in found[1:])
    for record in found:
        assert len(record["support_accuracies"]) == len(record["support_losses"])
        assert np.allclose(record["support_accuracies"], found[0]["support_accuracies"])
    one = adapted(pipeline, folders[0], options=("--steps", 1))[0]
    assert one["accuracy"] == pytest.approx(found[0]["query_accuracies"][1])


def test_unlabelled_query_images_are_predicted(pipeline: Pipeline, tmp_path: Path) -> None:
    task = task_folder(tmp_path / "task", CLASSES, labelled=False)
    arguments = ("adapt", pipeline.best, task, *pipeline.here)
    record, result = succeeding(*arguments, "--json").records
    assert record["accuracy"] is result["mean"] is result["interval"] is None
    assert {Path(row["image"]) for row in record["predictions"]} == set((task / "query").iterdir())
    for row in record["predictions"]:
        assert row["class"] in record["classes"]
        assert 1 / 3 <= row["probability"] <= 1
        assert "label" not in row
    shown = succeeding(*arguments).stdout
    assert all(path.name in shown.replace("\n", "") for path in (task / "query").iterdir())


def test_labels_do_not_change_predictions(pipeline: Pipeline, tmp_path: Path) -> None:
    (alone,) = adapted(pipeline, task_folder(tmp_path / "task", CLASSES, labelled=False))
    (labelled, _) = pipeline.adapted_folder.records
    of_labelled = {Path(row["image"]).name: row for row in labelled["predictions"]}
    for row in alone["predictions"]:
        other = of_labelled[Path(row["image"]).name]
        assert (row["class"], row["probability"]) == (other["class"], pytest.approx(other["probability"], abs=1e-5))


def test_a_task_without_query_images_has_a_theta(pipeline: Pipeline, tmp_path: Path) -> None:
    (record,) = adapted(pipeline, task_folder(tmp_path / "task", CLASSES, query=0))
    assert record["accuracy"] is None
    assert "predictions" not in record
    assert np.allclose(record["theta"], pipeline.adapted_folder.records[0]["theta"], atol=1e-5)


def test_unequal_shots(pipeline: Pipeline, tmp_path: Path) -> None:
    (record,) = adapted(pipeline, task_folder(tmp_path / "task", CLASSES, shots=[1, 3, 2]))
    assert record["shot"] == [1, 3, 2]
    assert len(record["predictions"]) == 6


@pytest.mark.parametrize("classes", [range(18, 20), range(16, 22)])
def test_another_number_of_classes(pipeline: Pipeline, tmp_path: Path, classes: range) -> None:
    (record,) = adapted(pipeline, task_folder(tmp_path / "task", classes))
    assert record["way"] == len(record["classes"]) == len(classes)
    assert {row["class"] for row in record["predictions"]} <= {f"c{number}" for number in classes}


def test_other_sizes_colours_and_formats(pipeline: Pipeline, tmp_path: Path) -> None:
    task = task_folder(tmp_path / "task", CLASSES, size=64, colour=True)
    for path in sorted(task.rglob("*.png"))[::2]:
        Image.open(path).save(path.with_suffix(".webp"))
        path.unlink()
    (record,) = adapted(pipeline, task)
    assert len(record["predictions"]) == 6


def test_tasks_together_are_the_tasks_alone(pipeline: Pipeline, tmp_path: Path) -> None:
    folders = [
        task_folder(tmp_path / "first", CLASSES),
        task_folder(tmp_path / "other-way", range(18, 22)),
        task_folder(tmp_path / "unequal", CLASSES, shots=[2, 1, 1]),
        task_folder(tmp_path / "second", range(20, 23)),
    ]
    together = adapted(pipeline, *folders)
    alone = list(itertools.chain.from_iterable(adapted(pipeline, folder) for folder in folders))
    assert [record["task"] for record in together] == [{"folder": str(folder)} for folder in folders]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one["theta"], other["theta"], atol=1e-5)
        assert np.allclose(one["support_losses"], other["support_losses"], atol=1e-5)
        assert [row["class"] for row in one["predictions"]] == [row["class"] for row in other["predictions"]]
    assert not np.allclose(together[0]["theta"], together[3]["theta"], atol=1e-5)


def test_steps_decide_how_far_theta_goes(pipeline: Pipeline, tmp_path: Path) -> None:
    task = task_folder(tmp_path / "task", CLASSES, query=0)
    one, two = (adapted(pipeline, task, options=("--steps", steps))[0] for steps in (1, 2))
    assert (one["inner"]["steps"], two["inner"]["steps"]) == (1, 2)
    assert np.allclose(one["support_losses"], two["support_losses"][: len(one["support_losses"])], atol=1e-5)
    assert not np.allclose(one["theta"], two["theta"], atol=1e-5)
