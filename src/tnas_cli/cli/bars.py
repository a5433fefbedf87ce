"""Bars of stages on a terminal: how far each is, how long it has taken and will take, and below that its latest values.

One line of all that is too long for 80 columns.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from tnas_cli.spelling import duration, visible

#: Drawing the bars takes over a millisecond of the computation's time: a few times a second is enough.
REFRESHES_PER_SECOND = 4


class Bars(Progress):
    """A bar for each stage, by name.

    timed: the work is done by this process, so that its time is shown, and what is left of it is estimated here.
    """

    def __init__(self, console: Console, *, timed: bool, redirect_stdout: bool = True) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=12),
            _Words(timed),
            console=console,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stdout=redirect_stdout,
        )
        self.stages: dict[str, TaskID] = {}

    def show(
        self,
        stage: str,
        done: int,
        total: int | None,
        unit: str,
        values: Mapping[str, float],
        *,
        left: float | None = None,
        visible_now: bool = True,
    ) -> None:
        """Move a stage's bar; a total of None: nobody knows it. `left`: seconds, where they are known."""
        if stage not in self.stages:
            self.stages[stage] = self.add_task(visible(stage), total=total, unit=unit, values="", left=None)
        self.update(
            self.stages[stage],
            completed=done,
            total=total,
            visible=visible_now,
            unit=unit,
            values=in_words(values),
            left=left,
        )


class _Words(ProgressColumn):
    """'40/2,000 tasks  12 s  9 min 48 s left', and the latest values below it."""

    def __init__(self, timed: bool) -> None:
        super().__init__()
        self.timed = timed

    def render(self, task: Task) -> Text:
        asked = None if task.total is None else int(task.total)
        parts = [done_of(int(task.completed), asked, task.fields["unit"])]
        left = task.fields["left"]
        if self.timed:
            elapsed = task.elapsed if task.finished_time is None else task.finished_time
            parts.append(_clock(elapsed or 0.0))
            left = task.time_remaining
        if left is not None and not task.finished:
            parts.append(f"{_clock(left)} left")
        return Text("\n".join(filter(None, ("  ".join(parts), task.fields["values"]))))


def _clock(seconds: float) -> str:
    """Whole seconds: tenths would flicker."""
    return duration(round(seconds))


def in_words(values: Mapping[str, float]) -> str:
    """'loss 0.57  accuracy 0.777'."""
    return "  ".join(f"{name} {value:.3g}" for name, value in values.items())


def done_of(done: int, asked: int | None, unit: str) -> str:
    """How far something is: '40/2,000 tasks'; '40 tasks' where nobody knows how many there will be."""
    return f"{done:,} {unit}" if asked is None else f"{done:,}/{asked:,} {unit}"
