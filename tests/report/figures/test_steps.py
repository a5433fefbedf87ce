"""Support losses over the inner steps."""

from __future__ import annotations

import math

import pytest

from tests.records.examples import an_adapted
from tests.report.figures.looking import assert_words_stand_apart, words
from tnas_cli.errors import DataError
from tnas_cli.records.reading import parse
from tnas_cli.report.figures.steps import (
    MOST_NAMED,
    Steps,
    checked_losses,
    mean_by_step,
    steps_picture,
)
from tnas_cli.report.figures.theme import THEMES, Theme


def tasks(count: int, way: int = 5) -> list[Steps]:
    return [Steps(f"task {n}", (1.7 + n / 10, 0.8, 0.1 + n / 100), way) for n in range(count)]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("count", [1, MOST_NAMED, MOST_NAMED + 5])
def test_each_task_is_a_line_from_zero_steps_on(theme: Theme, count: int) -> None:
    figure = steps_picture("steps", "adaptation", tasks(count)).draw(theme)
    (axes,) = figure.axes
    lines = [line.get_xydata() for line in axes.lines]
    segments = [path for collection in axes.collections for path in collection.get_segments()]
    drawn = [xy[:, 1].tolist() for xy in [*segments, *lines] if xy[:, 0].tolist() == [0, 1, 2]]
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


def measured(count: int) -> list[Steps]:
    return [
        Steps(task.name, task.losses, 5, (0.2, 0.4 + n / 10, 0.6), (0.2, 1.0, 1.0))
        for n, task in enumerate(tasks(count))
    ]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("count", [1, 2, MOST_NAMED + 5])
def test_measured_accuracies_have_a_panel_of_their_own(theme: Theme, count: int) -> None:
    figure = steps_picture("steps", "adaptation", measured(min(count, 6))).draw(theme)
    losses, accuracies = figure.axes
    assert len(losses.lines) == min(count, 6) + 1
    drawn = {line.get_label(): list(line.get_ydata()) for line in accuracies.lines}
    named = dict(zip(["query images", "support images"], accuracies.containers, strict=True))
    mean, _ = mean_by_step([task.query for task in measured(min(count, 6))])
    assert list(named["query images"].lines[0].get_ydata()) == pytest.approx(mean)
    assert list(named["support images"].lines[0].get_ydata()) == pytest.approx([0.2, 1.0, 1.0])
    assert all(container.has_yerr == (count > 1) for container in accuracies.containers)
    assert drawn["guessing: 1/5"][0] == pytest.approx(0.2)
    assert_words_stand_apart(figure)


def test_the_mean_of_each_step_by_hand() -> None:
    """0.2, 0.4, 0.9: as in the test of `interval`. Not all tasks have the third step."""
    mean, half = mean_by_step([(0.5, 0.2), (0.5, 0.4, 1.0), (0.5, 0.9, 1.0)])
    assert mean == pytest.approx([0.5, 0.5])
    assert half == pytest.approx([0.0, 1.96 * (0.13 / 3) ** 0.5])
    assert mean_by_step([(0.25, 0.75)]) == ([0.25, 0.75], [0.0, 0.0])


def test_the_caption_says_the_accuracy_before_and_after() -> None:
    several, one = (steps_picture("s", "t", measured(count)).caption for count in (2, 1))
    assert (
        "Accuracy on query images: 20.00 ± 0.00% before, 60.00 ± 0.00% after (95% intervals over 2 tasks)." in several
    )
    assert "20.00% before, 60.00% after." in one
    assert "Accuracy" not in steps_picture("s", "t", tasks(2)).caption


@pytest.mark.parametrize("values", ["12", [1.5], [-0.1], [True], [None], {}])
def test_what_are_no_accuracies_is_refused_by_its_place(values: object) -> None:
    for key in ("query_accuracies", "support_accuracies"):
        with pytest.raises(DataError, match=f"line 3: the adapted's '{key}'"):
            parse(an_adapted().to_json() | {key: values}, "line 3")


def test_tasks_of_different_length_are_averaged_as_far_as_all_go() -> None:
    many = [*tasks(MOST_NAMED), Steps("long", (2.0, 1.0, 0.5, 0.25, 0.1), 5)]
    (axes,) = steps_picture("s", "t", many).draw(THEMES[0]).axes
    (mean,) = [line for line in axes.lines if line.get_label() == f"mean of {len(many)} tasks"]
    assert len(mean.get_xdata()) == 3


def test_the_caption_says_before_and_after() -> None:
    assert "2 tasks, on average 1.750 before, 0.105 after" in steps_picture("s", "t", tasks(2)).caption


@pytest.mark.parametrize("values", [None, [1.0, "2"], [float("inf")], [True], "12"])
def test_what_are_no_losses_is_refused_by_its_place(values: object) -> None:
    with pytest.raises(DataError, match="line 3: the adapted's 'support_losses'"):
        parse(an_adapted().to_json() | {"support_losses": values}, "line 3")


def test_a_record_without_losses_is_refused() -> None:
    with pytest.raises(DataError, match="line 3 carries no support losses"):
        checked_losses((), "line 3")
