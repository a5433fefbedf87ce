"""A task's images with predictions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.report.figures.looking import assert_words_stand_apart
from tnas_cli.report.figures.task_grid import MOST_QUERY, MOST_SUPPORT, Prediction, TaskImages, task_picture
from tnas_cli.report.figures.theme import THEMES, Theme

CLASSES = ("cat", "dog $x$", "an/alphabet/with/a/very/long/name/character07/rot90")


def image(value: int, colour: bool = False) -> np.ndarray:
    return np.full((8, 8, 3) if colour else (8, 8), value, np.uint8)


def a_task(labelled: bool = True, queries: int = 4, shots: int = 2, colour: bool = False) -> TaskImages:
    """The last query image of every class is predicted as the next class."""
    query = tuple(
        Prediction(
            image(10 * number + 3, colour),
            (number + (place == queries - 1)) % 3,
            0.5 + number / 10,
            number if labelled else None,
        )
        for number in range(3)
        for place in range(queries)
    )
    return TaskImages(CLASSES, tuple(tuple(image(n, colour) for _ in range(shots)) for n in range(3)), query)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("queries", [1, 4, MOST_QUERY])
def test_every_image_is_shown_and_words_stand_apart(theme: Theme, labelled: bool, queries: int) -> None:
    task = a_task(labelled, queries, colour=queries == 4)
    figure = task_picture("grid", "a task", task).draw(theme)
    assert len(figure.axes[0].images) == 3 * 2 + 3 * queries
    assert_words_stand_apart(figure)


def test_right_and_wrong_differ_in_sign_frame_and_colour() -> None:
    (axes,) = task_picture("grid", "t", a_task()).draw(THEMES[0]).axes
    texts = [text.get_text() for text in axes.texts]
    assert texts.count("✓") == 9
    assert [text for text in texts if text.startswith("✗")] == ["✗ 2", "✗ 3", "✗ 1"]
    frames = {(patch.get_linestyle(), patch.get_edgecolor()) for patch in axes.patches}
    assert len(frames) == 2 and len({frame[0] for frame in frames}) == 2 and len({frame[1] for frame in frames}) == 2


def test_query_images_stand_in_the_row_of_their_class_or_of_the_predicted_one() -> None:
    def rows(labelled: bool) -> list[int]:
        (axes,) = task_picture("grid", "t", a_task(labelled)).draw(THEMES[0]).axes
        return [sum(abs(image.get_extent()[3] - y) < 1e-9 for image in axes.images) for y in tops]

    (axes,) = task_picture("grid", "t", a_task()).draw(THEMES[0]).axes
    tops = sorted({image.get_extent()[3] for image in axes.images})
    assert len(tops) == 3
    assert rows(True) == rows(False) == [6, 6, 6]
    only_cats = TaskImages(CLASSES, a_task().support, tuple(Prediction(image(1), 0, 0.9) for _ in range(5)))
    (axes,) = task_picture("grid", "t", only_cats).draw(THEMES[0]).axes
    assert [sum(abs(i.get_extent()[3] - y) < 1e-9 for i in axes.images) for y in tops] == [7, 2, 2]


def test_the_caption_counts() -> None:
    assert "9 of 12 right (75.0%)" in task_picture("grid", "t", a_task()).caption
    unlabelled = task_picture("grid", "t", a_task(labelled=False)).caption
    assert "right" not in unlabelled and "predicted class" in unlabelled
    many = task_picture("grid", "t", a_task(queries=MOST_QUERY + 2), note="A note.").caption
    assert many.endswith("6 further query images are not shown. A note.")


def test_large_tasks_are_cut() -> None:
    (axes,) = task_picture("grid", "t", a_task(queries=MOST_QUERY + 5, shots=MOST_SUPPORT + 5)).draw(THEMES[0]).axes
    assert len(axes.images) == 3 * (MOST_QUERY + MOST_SUPPORT)
