"""A picture of a task: a class per row, with its support images, and its query images with their predictions.

Right and wrong differ in shape as well as in colour: a tick and a solid frame, or a cross, a dashed frame and the
number of the class that was predicted instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.theme import NORMAL, SMALL, TITLE, TITLE_LINE, Theme, new_figure, wrapped
from tnas_cli.spelling import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = npt.NDArray[np.uint8]

#: The most images in a row.
MOST_SUPPORT, MOST_QUERY = 5, 15
TILE, STEP, ROW, GAP, LEFT, TOP = 0.52, 0.6, 0.82, 0.4, 1.95, 0.86
NAME_LENGTH = 20


@dataclass(frozen=True)
class Prediction:
    """A query image with the class (a number) that was predicted, its probability, and the true class if known."""

    image: Pixels
    predicted: int
    probability: float
    label: int | None = None

    @property
    def row(self) -> int:
        """Where it is shown: with its class, or with the predicted one where its class is not known."""
        return self.predicted if self.label is None else self.label


@dataclass(frozen=True)
class TaskImages:
    """support: the images of each class, uint8 [H, W] or [H, W, 3]; query in any order."""

    classes: tuple[str, ...]
    support: tuple[tuple[Pixels, ...], ...]
    query: tuple[Prediction, ...]


def task_picture(name: str, title: str, task: TaskImages, note: str = "") -> Picture:
    """The grid of a task, with its accuracy in the caption where its query images are labelled."""
    labelled = [found for found in task.query if found.label is not None]
    caption = f"{len(task.classes)} classes with their support images, and {len(task.query)} query images"
    if labelled:
        right = sum(found.predicted == found.label for found in labelled)
        caption += (
            f": {right} of {len(labelled)} right ({100 * right / len(labelled):.1f}%). Right: tick and solid frame; "
            "wrong: cross, dashed frame and the number of the class predicted instead."
        )
    else:
        caption += ", each in the row of its predicted class with the probability."
    hidden = len(task.query) - sum(min(MOST_QUERY, len(row)) for row in _rows(task))
    if hidden:
        caption += f" {hidden} further query images are not shown."
    return Picture(name, title, f"{caption} {note}".strip(), lambda theme: draw_task(title, task, theme))


def _rows(task: TaskImages) -> list[list[Prediction]]:
    return [[found for found in task.query if found.row == number] for number in range(len(task.classes))]


def draw_task(title: str, task: TaskImages, theme: Theme) -> Figure:
    """The figure of `task_picture`."""
    rows = [row[:MOST_QUERY] for row in _rows(task)]
    shots = min(MOST_SUPPORT, max(map(len, task.support)))
    queries = max(1, *map(len, rows))
    width = LEFT + (shots + queries) * STEP + GAP + 0.1
    title = wrapped(title, width)
    top = TOP + TITLE_LINE * title.count("\n")
    height = top + ROW * len(rows) + 0.05
    figure = new_figure(theme, width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    axes.text(0.12, 0.14, title, fontsize=TITLE, color=theme.ink, va="top")
    start = LEFT + shots * STEP + GAP
    for x, heading in ((LEFT, "support"), (start, "query")):
        axes.text(x, top - 0.12, heading, fontsize=NORMAL, color=theme.quiet, va="bottom")
    axes.plot([start - GAP / 2 - 0.04] * 2, [top - 0.3, height - 0.1], color=theme.rule, linewidth=1.0)
    for number, (name, images, found) in enumerate(zip(task.classes, task.support, rows, strict=True)):
        y = top + ROW * number
        right: dict[str, Any] = {"fontsize": SMALL, "color": theme.ink, "ha": "right", "va": "center"}
        axes.text(LEFT - 0.14, y + TILE / 2, str(number + 1), **right)
        axes.text(LEFT - 0.36, y + TILE / 2, _name(name), **right)
        for place, image in enumerate(images[:MOST_SUPPORT]):
            _tile(axes, image, LEFT + place * STEP, y)
        for place, prediction in enumerate(found):
            _query(axes, prediction, start + place * STEP, y, theme)
    return figure


def _tile(axes: Axes, image: Pixels, x: float, y: float) -> None:
    options: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if image.ndim == 2 else {}
    axes.imshow(image, extent=(x, x + TILE, y + TILE, y), interpolation="none", aspect="auto", zorder=2, **options)


def _query(axes: Axes, found: Prediction, x: float, y: float, theme: Theme) -> None:
    from matplotlib.patches import Rectangle

    _tile(axes, found.image, x, y)
    below, colour = f"{found.probability:.2f}", theme.quiet
    dashes: str | tuple[float, tuple[float, ...]] = "-"
    if found.label is not None:
        right = found.predicted == found.label
        colour, dashes = (theme.right, "-") if right else (theme.wrong, (0, (2.2, 1.4)))
        below = "✓" if right else f"✗ {found.predicted + 1}"
    axes.add_patch(
        Rectangle((x, y), TILE, TILE, fill=False, edgecolor=colour, linestyle=dashes, linewidth=2.0, zorder=3)
    )
    axes.text(x + TILE / 2, y + TILE + 0.03, below, fontsize=SMALL, color=colour, ha="center", va="top")


def _name(text: str) -> str:
    """A class's name on one line or, from its first slash on, on two; without its beginning where that is too long."""
    text = visible(text)
    first, slash, rest = text.partition("/")
    lines = [text] if len(text) <= NAME_LENGTH or not slash else [first + slash, rest]
    return "\n".join(line if len(line) <= NAME_LENGTH else f"…{line[1 - NAME_LENGTH :]}" for line in lines)
