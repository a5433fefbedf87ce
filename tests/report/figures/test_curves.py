"""The curves of a run: reading its log, thinning it, and the panels drawn from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.report.figures.looking import assert_words_stand_apart, words
from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Record, Step, Validated
from tnas_cli.records.reading import read
from tnas_cli.report.figures.curves import FEW_SHOT, MOST_STAGES, WITHOUT_WEIGHTS, curves_picture
from tnas_cli.report.figures.run_log import MOST_POINTS, StageLog, stages_of, thin
from tnas_cli.report.figures.theme import THEMES, Theme


def step(tasks: Any, **values: Any) -> str:
    return json.dumps({"event": "step", "stage": "search", "tasks": tasks, **values}) + "\n"


def validated(tasks: int, accuracy: Any, stage: str = "search") -> str:
    record = {"event": "validated", "stage": stage, "tasks": tasks, "accuracy": accuracy, "interval": 0.02}
    return json.dumps(record) + "\n"


def log_of(*lines: str, name: str = "log") -> tuple[dict[str, StageLog], list[Record]]:
    """A log as in a run's folder."""
    return stages_of(read("".join(lines), name, log=True))


def a_log(steps: int = 40) -> StageLog:
    rows = [(4 * n, {"loss": 2 / n, "accuracy": 1 - 1 / n, "theta": 0.125 + n / 1000}) for n in range(1, steps + 1)]
    return StageLog(rows, [(2 * steps, 0.7, 0.03), (4 * steps, 0.65, 0.02)])


def test_lines_go_to_their_stages_and_other_records_stay() -> None:
    lines = [step(4, loss=1.0, note="x"), validated(4, 0.5), validated(4, 0.6, "ab"), '{"event": "result"}\n', "\n"]
    stages, others = log_of(*lines)
    assert [record.to_json() for record in others] == [{"event": "result"}]
    assert stages["search"].steps == [(4, {"loss": 1.0})]
    assert stages["ab"].validations == [(4, 0.6, 0.02)]


def test_a_log_of_batches_counts_batches() -> None:
    records = [
        Step(stage="ab", batches=4, values={"loss": 1.0}),
        Validated(stage="ab", batches=8, accuracy=0.5, interval=0.1),
    ]
    stages, _ = stages_of(records)
    assert (stages["ab"].unit, stages["ab"].steps, stages["ab"].validations) == (
        "batches",
        [(4, {"loss": 1.0})],
        [(8, 0.5, 0.1)],
    )


@pytest.mark.parametrize("last", [3, 18, 700])
def test_ticks_stand_where_their_labels_say(last: int) -> None:
    picture = curves_picture("c", "t", {"search": StageLog([], [(last, 0.5, 0.1)])})
    assert picture is not None
    axes = picture.draw(THEMES[0]).axes[-1]
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_what_a_resumed_run_repeats_is_replaced() -> None:
    lines = [step(4, loss=1.0), step(8, loss=2.0), validated(8, 0.5), step(12, loss=3.0), step(8, loss=9.0)]
    lines += [validated(8, 0.6)]
    (log,) = log_of(*lines)[0].values()
    assert [values["loss"] for _, values in log.steps] == [1.0, 9.0]
    assert log.validations == [(8, 0.6, 0.02)]


def test_a_last_line_that_was_cut_off_is_left_out() -> None:
    whole = step(4, loss=1.0)
    assert log_of(whole, whole[:20]) == log_of(whole)


@pytest.mark.parametrize(
    "bad", ['{"event": "st\n', "[1]\n", validated(4, "high"), validated(4, float("nan")), step("4")]
)
def test_any_other_broken_line_is_named(bad: str) -> None:
    with pytest.raises(DataError, match=r"events\.jsonl, line 2"):
        log_of(step(4, loss=1.0), bad, step(8, loss=1.0), name="events.jsonl")


def test_thinning_keeps_ends_means_and_extremes() -> None:
    x, y = np.arange(10_000.0), np.random.default_rng(0).random(10_000)
    y[1234] = 7.0
    found = thin(x, y, 100)
    assert len(found.x) == len(found.mean) == 100
    assert found.high.max() == 7.0 and found.low.min() == y.min()
    assert found.mean.mean() == pytest.approx(y.mean())
    assert found.x[0] < 100 and found.x[-1] > 9_900
    short = thin(x[:100], y[:100], 100)
    assert (short.mean == y[:100]).all() and (short.x == x[:100]).all()


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("stages", [1, 2, MOST_STAGES])
def test_panels_are_drawn_and_words_stand_apart(theme: Theme, stages: int) -> None:
    logs = {"search" if stages == 1 else f"{number:08x}": a_log() for number in range(stages)}
    picture = curves_picture("curves", "a run", logs)
    assert picture is not None
    figure = picture.draw(theme)
    assert len(figure.axes) == 3
    texts = {text for text, _ in words(figure)}
    assert ({"training batch", "validation tasks"} if stages == 1 else set(logs)) <= texts
    assert_words_stand_apart(figure)


def test_only_what_was_logged_has_a_panel() -> None:
    log = StageLog([], [(20, 0.5, 0.1)])
    picture = curves_picture("curves", "a run", {"search": log})
    assert picture is not None and len(picture.draw(THEMES[0]).axes) == 1
    log = StageLog([(4, {"loss": 1.0, "entropy": 0.9})], [])
    picture = curves_picture("curves", "a run", {"search": log})
    assert picture is not None
    assert [axes.get_ylabel().split("\n")[0] for axes in picture.draw(THEMES[0]).axes] == [
        "query loss of",
        "theta~: normalised",
    ]
    assert curves_picture("curves", "a run", {"search": StageLog()}) is None


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_skip_connections_and_pools_share_a_panel(theme: Theme) -> None:
    steps = [(4 * n, {"loss": 1.0, "skips": float(n % 3), "pools": float(n % 5)}) for n in range(1, 20)]
    picture = curves_picture("curves", "a run", {"search": StageLog(steps)})
    assert picture is not None
    figure = picture.draw(theme)
    panel = figure.axes[1]
    assert panel.get_ylabel() == "theta~: decoded edges\nwithout weights"
    drawn = {line.get_label(): [float(y) for y in line.get_ydata()] for line in panel.lines}
    assert drawn == {name: [values[key] for _, values in steps] for key, name in WITHOUT_WEIGHTS.items()}
    assert len({line.get_linestyle() for line in panel.lines}) == 2, "not told apart in gray"
    assert {"skip connections", "pools"} <= {text for text, _ in words(figure)}
    assert_words_stand_apart(figure)


def test_of_several_searches_the_skip_connections_are_shown() -> None:
    logs = {name: StageLog([(4, {"skips": 1.0, "pools": 2.0})]) for name in ("one", "two")}
    picture = curves_picture("curves", "a run", logs)
    assert picture is not None
    assert [line.get_label() for line in picture.draw(THEMES[0]).axes[0].lines] == ["one", "two"]


def test_a_long_log_is_drawn_thinned() -> None:
    picture = curves_picture("curves", "a run", {"search": a_log(20 * MOST_POINTS)})
    assert picture is not None and f"{MOST_POINTS} groups" in picture.caption
    lines = [line for axes in picture.draw(THEMES[0]).axes for line in axes.lines]
    assert max(len(line.get_xdata()) for line in lines) <= MOST_POINTS


def test_the_caption_says_the_last_and_the_best_validation() -> None:
    picture = curves_picture("curves", "a run", {"search": a_log(40)})
    assert picture is not None
    assert "Validation accuracy 65.00 ± 2.00% after 160 tasks, best 70.00% after 80." in picture.caption


def test_more_stages_than_can_be_told_apart_are_left_out_in_words() -> None:
    logs = {f"{number:08x}": a_log() for number in range(MOST_STAGES + 2)}
    picture = curves_picture("curves", "a run", logs)
    assert picture is not None and f"Only {MOST_STAGES} of {MOST_STAGES + 2} networks" in picture.caption


@pytest.mark.parametrize(
    ("uniform", "text"), [(1 / 8, "uniform: ⅛"), (1 / 5, "uniform: 1/5"), (0.245, "uniform: 0.245")]
)
def test_the_uniform_share_is_that_of_the_space(uniform: float, text: str) -> None:
    picture = curves_picture("c", "t", {"search": a_log()}, replace(FEW_SHOT, uniform=uniform))
    assert picture is not None and text in {word for word, _ in words(picture.draw(THEMES[0]))}
