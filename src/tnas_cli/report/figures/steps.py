"""The support loss before each inner step of an adaptation and after the last one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tnas_cli.errors import DataError
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.theme import NORMAL, TITLE, Theme, legend, new_figure, style, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Up to so many tasks have lines with a name; more are drawn faintly, with their mean.
MOST_NAMED = 6
WIDTH = 6.4


@dataclass(frozen=True)
class Steps:
    """One task's adaptation: `losses` before each step and after the last one."""

    name: str
    losses: tuple[float, ...]
    way: int | None = None


def checked_losses(values: Any, where: str) -> tuple[float, ...]:
    """`support_losses` of a record; raises DataError that names `where` for anything but finite numbers."""
    if not isinstance(values, list) or not values or not all(_is_number(value) for value in values):
        raise DataError(f"{where} carries no support losses.", hint="pass records of `tnas adapt --json`")
    return tuple(float(value) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def steps_picture(name: str, title: str, tasks: Sequence[Steps]) -> Picture:
    """The losses of all tasks over the inner steps."""
    first = float(np.mean([task.losses[0] for task in tasks]))
    last = float(np.mean([task.losses[-1] for task in tasks]))
    count = f"{len(tasks)} tasks, on average " if len(tasks) > 1 else ""
    caption = (
        f"Support loss (cross-entropy) before each inner step and after the last one: {count}{first:.3f} before, "
        f"{last:.3g} after."
    )
    if _chance(tasks) is not None:
        caption += " The dotted line is the loss of guessing, ln(way)."
    return Picture(name, title, caption, lambda theme: draw_steps(title, tasks, theme))


def draw_steps(title: str, tasks: Sequence[Steps], theme: Theme) -> Figure:
    """The figure of `steps_picture`."""
    figure = new_figure(theme, WIDTH, 3.7, layout="constrained")
    figure.suptitle(wrapped(title, WIDTH), fontsize=TITLE, color=theme.ink, x=0.015, ha="left", parse_math=False)
    axes = figure.subplots()
    style(axes, theme)
    named = len(tasks) <= MOST_NAMED
    for number, task in enumerate(tasks):
        look = theme.stroke(number)
        options: dict[str, Any] = {"color": theme.quiet, "linewidth": 0.8, "alpha": 0.6}
        if named:
            options = {"color": look.colour, "linestyle": look.dashes, "linewidth": 1.5, "marker": look.marker}
        axes.plot(range(len(task.losses)), task.losses, markersize=5, label=task.name if named else None, **options)
    if not named:
        # Only so far do all tasks go.
        common = min(len(task.losses) for task in tasks)
        mean = np.mean([task.losses[:common] for task in tasks], axis=0)
        look = theme.stroke(0)
        axes.plot(
            range(common), mean, color=look.colour, linewidth=2.4, marker="o", label=f"mean of {len(tasks)} tasks"
        )
        axes.plot([], [], color=theme.quiet, linewidth=0.8, label="one task")
    chance = _chance(tasks)
    if chance is not None:
        label = f"guessing: ln({tasks[0].way})"
        axes.axhline(chance, color=theme.quiet, linewidth=1.0, linestyle=(0, (1.0, 2.0)), label=label)
    axes.set_ylim(bottom=0)
    steps = max(len(task.losses) for task in tasks)
    axes.set_xticks(range(0, steps, max(1, steps // 10)))
    axes.set_xlabel("inner steps done", fontsize=NORMAL)
    axes.set_ylabel("support loss", fontsize=NORMAL)
    legend(axes, theme, loc="upper left", bbox_to_anchor=(1.0, 1.03))
    return figure


def _chance(tasks: Sequence[Steps]) -> float | None:
    """ln(way) where all tasks have the same number of classes."""
    ways = {task.way for task in tasks}
    way = next(iter(ways))
    return math.log(way) if len(ways) == 1 and way is not None and way > 1 else None
