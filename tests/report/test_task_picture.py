"""The picture of a task shows the images as the network saw them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.records.examples import an_adapted
from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import Prediction, Preparation, TaskName
from tnas_cli.report import task_picture
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.task_grid import TaskImages
from tnas_cli.runs.device import HERE

SIDE = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of bright ink on a dark ground: a horizontal bar and a vertical one."""
    for number, name in enumerate(("lying", "standing")):
        for part, count in (("support", 1), ("query", 2)):
            place = tmp_path / "task" / part / name
            place.mkdir(parents=True)
            for image in range(count):
                pixels = np.zeros((SIDE, SIDE), np.uint8)
                pixels[(slice(4 + image, 7 + image), slice(2, 10))[:: 1 - 2 * number]] = 200
                Image.fromarray(pixels).save(place / f"{image}.png")
    return tmp_path / "task"


def adapted(folder: Path, invert: Any) -> Adapted:
    rows = [
        Prediction(image=f"query/{name}/{image}.png", class_="lying", probability=0.75, label=name)
        for name in ("lying", "standing")
        for image in range(2)
    ]
    seen = Preparation(size=SIDE, channels=1, mean=(0.0,), std=(1.0,), resize="fit", invert=invert)
    return an_adapted(task=TaskName(folder=str(folder)), predictions=tuple(rows), preparation=seen)


def shown(record: Adapted, monkeypatch: pytest.MonkeyPatch) -> tuple[TaskImages, str]:
    """The images of the picture, and its caption's note."""
    seen: list[tuple[TaskImages, str]] = []
    draw = task_picture.task_picture

    def record_images(name: str, title: str, task: TaskImages, note: str = "") -> Picture:
        seen.append((task, note))
        return draw(name, title, task, note)

    monkeypatch.setattr(task_picture, "task_picture", record_images)
    task_picture.picture_of_task("x-task", record, HERE)
    return seen[0]


@pytest.mark.parametrize(("invert", "ground"), [(True, 255), (False, 0), ("auto", 0)])
def test_images_are_shown_as_the_network_saw_them(
    folder: Path, invert: Any, ground: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, note = shown(adapted(folder, invert), monkeypatch)
    images = [image for row in task.support for image in row] + [found.image for found in task.query]
    assert len(images) == 6 and all(image[0, 0] == ground for image in images)
    ink = 255 - 200 if invert is True else 200
    assert all(ink in image for image in images) and note == ""


def test_a_record_that_does_not_say_how_is_drawn_with_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, note = shown(adapted(folder, None), monkeypatch)
    assert task.query[0].image[0, 0] == 0 and "does not say whether --invert was given" in note


def test_a_record_without_preparation_is_refused(folder: Path) -> None:
    record = an_adapted(task=TaskName(folder=str(folder)))
    with pytest.raises(DataError, match="how its images were prepared"):
        task_picture.picture_of_task("x-task", record, HERE)
