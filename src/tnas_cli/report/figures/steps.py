"""Support loss and, where it was measured, accuracy before each inner step of an adaptation and after the last one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tnas_cli.errors import DataError
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.theme import NORMAL, TITLE, Theme, legend, new_figure, style, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Up to this many tasks have lines with a name; more are drawn faintly, with their mean.
MOST_NAMED = 6
WIDTH, LOSSES, ACCURACIES = 6.4, 3.7, 2.6


@dataclass(frozen=True)
class Steps:
    """One task's adaptation before each step and after the last one: losses, and accuracies (of 1) on its query and
    support images, which are empty where they were not measured."""

    name: str
    losses: tuple[float, ...]
    way: int | None = None
    query: tuple[float, ...] = ()
    support: tuple[float, ...] = ()


def checked_losses(values: Sequence[float], where: str) -> tuple[float, ...]:
    """`support_losses` of a record; raises DataError that names `where` if it has none."""
    if not values:
        raise DataError(f"{where} carries no support losses.", hint="pass records of `tnas adapt --json`")
    return tuple(values)


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
    measured = [task.query for task in tasks if task.query]
    if measured:
        mean, half = mean_by_step(measured)
        several = len(measured) > 1
        caption += f" Accuracy on query images: {_percent(mean[0], half[0], several)} before,"
        caption += f" {_percent(mean[-1], half[-1], several)} after"
        caption += f" (95% intervals over {len(measured)} tasks)." if several else "."
    return Picture(name, title, caption, lambda theme: draw_steps(title, tasks, theme))


def _percent(mean: float, half: float, several: bool) -> str:
    return f"{100 * mean:.2f} ± {100 * half:.2f}%" if several else f"{100 * mean:.2f}%"


def mean_by_step(rows: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    """Mean over tasks and half-width of its 95% interval (1.96 standard errors; 0 for one task), for each step that all
    tasks have."""
    common = min(map(len, rows))
    values = np.array([row[:common] for row in rows], float)
    if len(rows) < 2:
        return values[0].tolist(), [0.0] * common
    return values.mean(0).tolist(), (1.96 * values.std(0, ddof=1) / len(rows) ** 0.5).tolist()


def draw_steps(title: str, tasks: Sequence[Steps], theme: Theme) -> Figure:
    """The figure of `steps_picture`."""
    measured = any(task.query or task.support for task in tasks)
    figure = new_figure(theme, WIDTH, LOSSES + (ACCURACIES if measured else 0.0), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH), fontsize=TITLE, color=theme.ink, x=0.015, ha="left")
    panels = figure.subplots(
        2 if measured else 1, 1, sharex=True, squeeze=False, height_ratios=[LOSSES, ACCURACIES][: 1 + measured]
    )[:, 0]
    _losses(panels[0], tasks, theme)
    if measured:
        _accuracies(panels[1], tasks, theme)
    steps = max(len(task.losses) for task in tasks)
    panels[-1].set_xticks(range(0, steps, max(1, steps // 10)))
    panels[-1].set_xlabel("inner steps done", fontsize=NORMAL)
    return figure


def _losses(axes: Axes, tasks: Sequence[Steps], theme: Theme) -> None:
    from matplotlib.collections import LineCollection

    style(axes, theme)
    named = len(tasks) <= MOST_NAMED
    if named:
        for number, task in enumerate(tasks):
            look = theme.stroke(number)
            axes.plot(
                range(len(task.losses)), task.losses, markersize=5, label=task.name, color=look.colour,
                linestyle=look.dashes, linewidth=1.5, marker=look.marker,
            )  # fmt: skip
    else:
        # One collection: as lines of their own, hundreds of tasks would take longer than all else on a page.
        paths = [np.column_stack((range(len(task.losses)), task.losses)) for task in tasks]
        axes.add_collection(LineCollection(paths, colors=theme.quiet, linewidths=0.8, alpha=0.6))
        # The steps that all tasks have.
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
    axes.set_ylabel("support loss", fontsize=NORMAL)
    legend(axes, theme, loc="upper left", bbox_to_anchor=(1.0, 1.03))


def _accuracies(axes: Axes, tasks: Sequence[Steps], theme: Theme) -> None:
    style(axes, theme)
    named = {
        "query images": [t.query for t in tasks if t.query],
        "support images": [t.support for t in tasks if t.support],
    }
    for number, (name, rows) in enumerate(named.items()):
        if not rows:
            continue
        mean, half = mean_by_step(rows)
        look = theme.stroke(number)
        axes.errorbar(
            range(len(mean)),
            mean,
            yerr=half if len(rows) > 1 else None,
            color=look.colour,
            linestyle=look.dashes,
            marker=look.marker,
            markersize=5,
            linewidth=1.5,
            elinewidth=1.0,
            capsize=3,
            label=name,
        )
    way = _common_way(tasks)
    if way is not None:
        label = f"guessing: 1/{way}"
        axes.axhline(1 / way, color=theme.quiet, linewidth=1.0, linestyle=(0, (1.0, 2.0)), label=label)
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    axes.set_ylabel("accuracy" if len(tasks) == 1 else "mean accuracy", fontsize=NORMAL)
    legend(axes, theme, loc="upper left", bbox_to_anchor=(1.0, 1.03))


def _chance(tasks: Sequence[Steps]) -> float | None:
    """ln(way) where all tasks have the same number of classes."""
    way = _common_way(tasks)
    return None if way is None else math.log(way)


def _common_way(tasks: Sequence[Steps]) -> int | None:
    ways = {task.way for task in tasks}
    way = next(iter(ways))
    return way if len(ways) == 1 and way is not None and way > 1 else None
