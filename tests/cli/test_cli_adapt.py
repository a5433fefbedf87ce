"""`tnas adapt` on folders of images: what is handled, and that tasks computed together are those computed alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Pipeline
from tests.running import succeeding, task_folder

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
