"""The course of a run over its tasks: loss, accuracy, validation with its interval, how decided theta is and what it
decodes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.run_log import MOST_POINTS, StageLog, thin
from tnas_cli.report.figures.theme import NORMAL, SMALL, TITLE, Stroke, Theme, legend, new_figure, style, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The most stages in one figure: more looks could not be told apart.
MOST_STAGES = 6
WIDTH, PANEL = 7.6, 1.9

#: Values that have a panel of their own, with the panel's label.
PANELS = {
    "loss": "loss",
    "accuracy": "accuracy",
    "theta": "theta~: mean of the\nedges' largest probability",
    "entropy": "theta~: normalised\nentropy",
    "skips": "theta~: decoded edges\nwithout weights",
}
#: The lines of the last of these panels, with their labels.
WITHOUT_WEIGHTS = {"skips": "skip connections", "pools": "pools"}


@dataclass(frozen=True)
class Words:
    """Words for the curves of a training: the unit that they run over, and what its losses and accuracies are
    measured on. `uniform` is the mean largest probability of theta where nothing is decided yet.
    """

    unit: str
    loss: str
    training: str
    validation: str
    uniform: float = 1 / 8


FEW_SHOT = Words("tasks", "query loss of\na meta-batch", "training batch", "validation tasks")
#: The transfer setting trains on images.
IMAGES = Words("batches", "training loss\nof a batch", "training batch", "validation images")


def curves_picture(name: str, title: str, stages: Mapping[str, StageLog], over: Words = FEW_SHOT) -> Picture | None:
    """The curves of the first stages that have any records; None if no stage has."""
    shown = dict([(stage, log) for stage, log in stages.items() if log][:MOST_STAGES])
    if not shown:
        return None
    parts = [_last_validation(stage if len(shown) > 1 else "", log, over) for stage, log in shown.items()]
    caption = f"Over the {over.unit} done so far. " + " ".join(part for part in parts if part)
    if any(log.validations for log in shown.values()):
        caption += f" Bars are 95% intervals over the {over.validation}."
    if any(len(log.steps) > MOST_POINTS for log in shown.values()):
        caption += f" Each line is the mean of {MOST_POINTS} groups of neighbouring steps, the band their range."
    if sum(bool(log) for log in stages.values()) > len(shown):
        caption += f" Only {len(shown)} of {len(stages)} networks are shown."
    return Picture(name, title, caption.strip(), lambda theme: draw_curves(title, shown, theme, over))


def _last_validation(stage: str, log: StageLog, over: Words) -> str:
    if not log.validations:
        return ""
    tasks, accuracy, interval = log.validations[-1]
    best = max(log.validations, key=lambda row: row[1])
    text = f"{stage + ': v' if stage else 'V'}alidation accuracy {100 * accuracy:.2f} ± {100 * interval:.2f}%"
    text += f" after {tasks:,} {over.unit}"
    return f"{text}, best {100 * best[1]:.2f}% after {best[0]:,}." if best[0] != tasks else f"{text}."


def draw_curves(title: str, stages: Mapping[str, StageLog], theme: Theme, over: Words = FEW_SHOT) -> Figure:
    """A panel for each kind of value that any of the stages logged, one above the other."""
    logged = {name for log in stages.values() for _, values in log.steps for name in values}
    if any(log.validations for log in stages.values()):
        logged.add("accuracy")
    panels = [name for name in PANELS if name in logged]
    figure = new_figure(theme, WIDTH, 0.75 + PANEL * len(panels), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH), fontsize=TITLE, color=theme.ink, x=0.015, ha="left")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(grid, panels, strict=True):
        style(axes, theme)
        axes.set_ylabel(over.loss if name == "loss" else PANELS[name], fontsize=NORMAL)
        for number, (stage, log) in enumerate(stages.items()):
            if name == "skips":
                _without_weights(axes, log, number, theme, stage if len(stages) > 1 else None)
                continue
            label = stage if len(stages) > 1 else over.training if name == "accuracy" else None
            # With several networks, the noisy training accuracies would hide the validations.
            if name != "accuracy" or len(stages) == 1:
                _steps(axes, log, name, theme.stroke(number), label)
            if name == "accuracy":
                _validations(axes, log, number, theme, stage if len(stages) > 1 else None, over)
        if name == "accuracy":
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
        if name == "skips":
            axes.locator_params(axis="y", integer=True)
            axes.set_ylim(bottom=-0.3)
        if name == "theta":
            _uniform(axes, over.uniform, f"uniform: {share_of_one(1 / over.uniform)}", theme)
        if name in ("accuracy", "skips") or len(stages) > 1:
            # Beside the axes the legend covers nothing.
            legend(axes, theme, loc="upper left", bbox_to_anchor=(1.0, 1.03))
    grid[-1].set_xlabel(over.unit, fontsize=NORMAL)
    # Labels are whole numbers, so ticks must be.
    grid[-1].locator_params(axis="x", integer=True, steps=[1, 2, 5, 10])
    grid[-1].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    grid[-1].set_xlim(left=0)
    return figure


def _steps(axes: Axes, log: StageLog, name: str, look: Stroke, label: str | None) -> None:
    x, y = log.series(name)
    if not len(x):
        return
    points = thin(x, y)
    if points.x is not x:
        axes.fill_between(points.x, points.low, points.high, color=look.colour, alpha=0.18, linewidth=0)
    marker = look.marker if len(points.x) == 1 else None
    axes.plot(
        points.x, points.mean, color=look.colour, linestyle=look.dashes, linewidth=1.2, marker=marker, label=label
    )


def _without_weights(axes: Axes, log: StageLog, number: int, theme: Theme, stage: str | None) -> None:
    """Skip connections and pools among the decoded edges; for several searches, only the skip connections."""
    if stage is not None:
        _steps(axes, log, "skips", theme.stroke(number), stage)
        return
    for position, (name, label) in enumerate(WITHOUT_WEIGHTS.items()):
        _steps(axes, log, name, theme.stroke(position), label)


def _validations(axes: Axes, log: StageLog, number: int, theme: Theme, stage: str | None, over: Words) -> None:
    if not log.validations:
        return
    x, y, interval = zip(*log.validations, strict=True)
    # With a single stage, the training accuracy has the first look.
    look = theme.stroke(number + 1 if stage is None else number)
    label = over.validation if stage is None else stage
    axes.errorbar(
        x,
        y,
        yerr=interval,
        color=look.colour,
        linestyle=look.dashes,
        marker=look.marker,
        markersize=5,
        linewidth=1.4,
        elinewidth=1.0,
        capsize=3,
        label=label,
    )


def share_of_one(operations: float) -> str:
    """The equal share of each of so many operations, as text; of a mean of several such shares, its value."""
    whole = round(operations)
    if abs(operations - whole) > 1e-9:
        return f"{1 / operations:.3f}"
    return "⅛" if whole == 8 else f"1/{whole}"


def _uniform(axes: Axes, value: float, text: str, theme: Theme) -> None:
    axes.axhline(value, color=theme.quiet, linewidth=1.0, linestyle=(0, (1.0, 2.0)))
    axes.annotate(
        text,
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        fontsize=SMALL,
        color=theme.quiet,
        va="center",
    )
