"""Data goes to stdout, messages to stderr, and progress bars only to a terminal."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from tnas_cli.cli import console
from tnas_cli.cli.console import Screen
from tnas_cli.runs.events import Note, Progress
from tnas_cli.spelling import duration

STEP = Progress("search", 10, 10, "tasks", {"accuracy": 0.51234567})


def test_words_and_data_use_a_stream_each(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    screen.say("[bold]words[/bold]")
    screen.text("data")
    out, err = capsys.readouterr()
    assert out == "data\n" and err == "[bold]words[/bold]\n"


def test_quiet_silences_words_and_progress_but_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(quiet=True)
    screen.say("words")
    with screen.progress() as listener:
        listener(Note("note"))
        listener(STEP)
    screen.record({"event": "result"})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "result"} and err == ""


def test_a_record_is_one_line_and_never_nan(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(as_json=True)
    screen.record({"text": "two\nlines", "name": "é"})
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(ValueError, match="JSON"):
        screen.record({"mean": float("nan")})


def test_without_a_terminal_progress_is_plain_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen().progress() as listener:
        listener(Note("downloading"))
        listener(STEP)
    out, err = capsys.readouterr()
    assert out == "" and "\x1b" not in err
    assert err.splitlines() == ["downloading", "search: 10/10 tasks  accuracy 0.512"]


#: Lines for how far the work is, of how much, and seconds between events.
Lines = Callable[[range, int, float], list[str]]


@pytest.fixture
def lines_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[range, int, float], list[str]]:
    """The lines of a search that is that far, of so many tasks, an event every so many seconds."""

    def lines(done: range, total: int, seconds: float) -> list[str]:
        now = 100.0
        monkeypatch.setattr(console.time, "monotonic", lambda: now)
        with Screen().progress() as listener:
            for number in done:
                listener(Progress("search", number, total, "tasks"))
                now += seconds
        return capsys.readouterr().err.splitlines()

    return lines


def test_between_the_ends_a_line_comes_every_few_seconds(lines_of: Lines) -> None:
    lines = lines_of(range(1, 101), 101, 0.5)
    assert 8 <= len(lines) <= 10
    assert lines[0] == "search: 11/101 tasks  45 s left"


def test_the_time_left_counts_only_what_was_done_since_the_work_was_resumed(
    lines_of: Lines,
) -> None:
    assert lines_of(range(900, 911), 1000, 1.0)[0] == "search: 905/1000 tasks  1 min 35 s left"


def test_a_long_line_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("word " * 60)
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.01234, "0.0123 s"),
        (8, "8 s"),
        (59.4, "59.4 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_bar_is_told_what_can_be_drawn_and_always_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[str, int]] = []

    class Recorded:
        """Records how far each stage's bar was moved."""

        def show(self, stage: str, done: int, *rest: object) -> None:
            moved.append((stage, done))

    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    listener = console._BarListener(Recorded(), Screen())  # type: ignore[arg-type]
    for done in range(1, 101):
        now[0] += 1 / 16  # exact in binary: four of them are a quarter of a second
        listener(Progress("search", done, 100, "tasks"))
    listener(Progress("test", 1, 1, "tasks"))
    assert [done for stage, done in moved if stage == "search"] == [*range(1, 100, 4), 100]
    assert moved[-2:] == [("search", 100), ("test", 1)]


def on_a_terminal(width: int) -> tuple[Screen, Callable[[], str]]:
    """A screen that writes to a terminal of so many columns, and what is on it, without colours."""
    screen, written = Screen(), io.StringIO()
    screen.words = Console(file=written, force_terminal=True, width=width, highlight=False, soft_wrap=True)
    return screen, lambda: re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written.getvalue())


def test_bars_and_values_fit_80_columns() -> None:
    values = {"loss": 0.12345, "accuracy": 0.98765, "theta": 0.12345, "entropy": 0.98765, "validation": 0.98765}
    screen, shown = on_a_terminal(80)
    with screen.progress() as listener:
        listener(Progress("search", 1_000, 30_000, "tasks", values))
    line, more, last = (row.rstrip() for row in re.split(r"[\r\n]+", shown().rstrip())[-3:])
    assert line.startswith("search ━") and line.endswith("1,000/30,000 tasks  0 s")
    assert more.split() == ["loss", "0.123", "accuracy", "0.988", "theta", "0.123", "entropy", "0.988"]
    assert last.split() == ["validation", "0.988"]
    assert max(map(len, re.split(r"[\r\n]+", shown()))) <= 80 and "…" not in shown()


def test_sentences_end_between_words_and_commands_stay_whole() -> None:
    screen, shown = on_a_terminal(20)
    screen.say("the cells of all networks are kept")
    screen.next("tnas resume runs/search-glyphs-5w1s-1 --hours 3")
    lines = [line.rstrip() for line in shown().splitlines()]
    assert lines == ["the cells of all", "networks are kept", "next: tnas resume runs/search-glyphs-5w1s-1 --hours 3"]
