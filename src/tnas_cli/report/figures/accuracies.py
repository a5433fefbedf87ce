"""Measured accuracies with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.theme import NORMAL, TITLE, Theme, new_figure, style, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, ROW, AROUND = 8.6, 0.27, 1.25


class Reached(NamedTuple):
    """One measurement: what it is called, what was asked, and its accuracy and the half-width of its interval as
    shares; 0 where there is none."""

    name: str
    question: str
    mean: float
    interval: float


def accuracies_picture(name: str, title: str, reached: Sequence[Reached]) -> Picture:
    """A row for each measurement, the best of each question first; a sign for each question."""
    questions = list(dict.fromkeys(one.question for one in reached))
    ordered = sorted(reached, key=lambda one: (questions.index(one.question), -one.mean))
    caption = "; ".join(
        f"{question}: " + ", ".join(f"{_said(one)} {one.name}" for one in ordered if one.question == question)
        for question in questions
    )
    return Picture(name, title, f"{caption}. Bars are 95% intervals.", lambda theme: _draw(title, ordered, theme))


def _said(one: Reached) -> str:
    return f"{100 * one.mean:.2f} ± {100 * one.interval:.2f}%" if one.interval else f"{100 * one.mean:.2f}%"


def _draw(title: str, ordered: Sequence[Reached], theme: Theme) -> Figure:
    from matplotlib.ticker import MaxNLocator

    questions = list(dict.fromkeys(one.question for one in ordered))
    figure = new_figure(theme, WIDTH, AROUND + ROW * (len(ordered) + len(questions)), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH), fontsize=TITLE, color=theme.ink, x=0.015, ha="left")
    axes = figure.subplots()
    style(axes, theme)
    axes.grid(False, axis="y")
    rows: list[tuple[float, str]] = []
    place = 0
    for number, question in enumerate(questions):
        look = theme.stroke(number)
        rows.append((place, question))
        of = [one for one in ordered if one.question == question]
        places = list(range(place + 1, place + 1 + len(of)))
        rows += [(row, one.name) for row, one in zip(places, of, strict=True)]
        axes.errorbar(
            [100 * one.mean for one in of], places, xerr=[100 * one.interval for one in of], color=look.colour,
            linestyle="none", marker=look.marker, markersize=5.5, elinewidth=1.5, capsize=3,
        )  # fmt: skip
        place += 1 + len(of)
    axes.set_ylim(place - 0.4, -0.6)
    axes.set_yticks([row for row, _ in rows], [wrapped(text, 4.6) for _, text in rows], fontsize=NORMAL)
    for (_, text), label in zip(rows, axes.get_yticklabels(), strict=True):
        label.set_color(theme.quiet if text in questions else theme.ink)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("accuracy in %", fontsize=NORMAL)
    return figure
