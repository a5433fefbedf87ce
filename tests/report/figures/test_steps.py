"""Support losses over the inner steps."""

from __future__ import annotations

import math

import pytest

from tests.report.figures.looking import assert_words_stand_apart, words
from tnas_cli.errors import DataError
from tnas_cli.report.figures.steps import MOST_NAMED, Steps, checked_losses, steps_picture
from tnas_cli.report.figures.theme import THEMES, Theme


def tasks(count: int, way: int = 5) -> list[Steps]:
    return [Steps(f"task {n}", (1.7 + n / 10, 0.8, 0.1 + n / 100), way) for n in range(count)]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("count", [1, MOST_NAMED, MOST_NAMED + 5])
def test_each_task_is_a_line_from_zero_steps_on(theme: Theme, count: int) -> None:
    figure = steps_picture("steps", "adaptation", tasks(count)).draw(theme)
    (axes,) = figure.axes
    drawn = [list(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 3]
    assert drawn[:count] == [list(task.losses) for task in tasks(count)]
    assert axes.get_ylim()[0] == 0
    texts = {text for text, _ in words(figure)}
    assert ("task 0" in texts) == (count <= MOST_NAMED)
    assert (f"mean of {count} tasks" in texts) == (count > MOST_NAMED)
    assert_words_stand_apart(figure)


def test_the_loss_of_guessing_is_shown_where_all_tasks_have_the_same_way() -> None:
    (axes,) = steps_picture("s", "t", tasks(2)).draw(THEMES[0]).axes
    assert math.log(5) in [line.get_ydata()[0] for line in axes.lines]
    mixed = steps_picture("s", "t", [*tasks(1), *tasks(1, way=3)])
    assert "guessing" not in mixed.caption
    assert not {"guessing: ln(5)", "guessing: ln(3)"} & {text for text, _ in words(mixed.draw(THEMES[0]))}


def test_tasks_of_different_length_are_averaged_as_far_as_all_go() -> None:
    many = [*tasks(MOST_NAMED), Steps("long", (2.0, 1.0, 0.5, 0.25, 0.1), 5)]
    (axes,) = steps_picture("s", "t", many).draw(THEMES[0]).axes
    (mean,) = [line for line in axes.lines if line.get_label() == f"mean of {len(many)} tasks"]
    assert len(mean.get_xdata()) == 3


def test_the_caption_says_before_and_after() -> None:
    assert "2 tasks, on average 1.750 before, 0.105 after" in steps_picture("s", "t", tasks(2)).caption


@pytest.mark.parametrize("values", [None, [], [1.0, "2"], [float("inf")], [True], "12"])
def test_what_are_no_losses_is_refused_by_its_place(values: object) -> None:
    with pytest.raises(DataError, match="line 3"):
        checked_losses(values, "line 3")
