"""Adapted tasks for a person: a table of the tasks, the predictions, and the accuracy with what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from tnas_cli.cli.console import Screen, add_row, table
from tnas_cli.cli.show import percent
from tnas_cli.records.kinds import Adapted
from tnas_cli.records.parts import Coverage
from tnas_cli.records.results import AdaptResult

if TYPE_CHECKING:
    from tnas_cli.commands.adapt import Adaptation

TOGETHER = "all query images together (transductive)"
ALONE = "each image by itself (inductive)"
CLASSIFIERS = {"linear": "", "means": ", by class means"}


def show(screen: Screen, found: Adaptation) -> None:
    """The tasks and their result."""
    screen.show(_tasks(found, verbose=screen.verbose))
    for record in found.tasks:
        if record.predictions:
            screen.show(_predictions(record))
    for line in accuracy_lines(found.result):
        screen.say(line)
    for line in expectation_lines(found.result.expected):
        screen.say(line)


def _tasks(found: Adaptation, *, verbose: bool) -> Table:
    """One row per task, with the columns that any of them fills."""
    by_step = any(record.query_accuracies for record in found.tasks)
    losses = any(record.support_losses for record in found.tasks)
    theta = any(record.theta is not None for record in found.tasks)
    both = found.result.inductive is not None
    names = ["task", "way", *(["support loss, per step"] if losses else [])]
    names += ["mean largest probability"] if theta else []
    names += ["accuracy, per step" if by_step else "accuracy", *(["inductive"] if both else [])]
    drawn = table(names, title="adapted tasks", overflow="fold")
    for record in found.tasks:
        task = record.task
        cells = [task.folder or f"{task.dataset} {task.split} {task.index}", str(record.way)]
        if losses:
            cells.append(" ".join(_shortened([f"{loss:.3f}" for loss in record.support_losses], verbose)))
        if theta:
            decided = record.theta_mean_largest_probability
            cells.append("" if decided is None else f"{decided:.3f}")
        accuracies = record.query_accuracies or (record.accuracy,)
        cells.append(" ".join(_shortened(["" if one is None else f"{percent(one)}%" for one in accuracies], verbose)))
        if both:
            cells.append(f"{percent(record.inductive_accuracy)}%")
        add_row(drawn, *cells)
    return drawn


def accuracy_lines(result: AdaptResult) -> list[str]:
    """What was reached, of which network, and what an answer used; nothing where no query image is labelled."""
    if result.mean is None:
        return []
    alone = ALONE + CLASSIFIERS[result.classifier or "linear"]
    way, several = TOGETHER if result.transductive else alone, result.tasks > 1
    over = f"over {result.tasks} tasks, 95% interval over {result.covered}" if several else "on one task"
    lines = [_line(result.mean, result.interval, result.ece, f"{_who(result)}, {way}; {over}", several)]
    if result.inductive is not None:
        one = result.inductive
        lines.append(_line(one.mean, one.interval, one.ece, alone, several))
    lines += [_line(other.mean, other.interval, None, other.name, several) for other in result.others]
    return lines


def _line(mean: float, interval: float | None, ece: float | None, what: str, several: bool) -> str:
    spread = f" ± {percent(interval)}" if several else ""
    error = "" if ece is None else f"; expected calibration error {percent(ece)}%"
    return f"accuracy {percent(mean)}{spread}%: {what}{error}"


def expectation_lines(expected: Coverage | None) -> list[str]:
    """What validation tasks say of the answers that were not rejected."""
    if expected is None:
        return []
    right = "none" if expected.accuracy is None else f"{percent(expected.accuracy)}%"
    return [
        f"on validation tasks {percent(expected.share)}% of the answers had a probability of {expected.probability:g} "
        f"or more, and {right} of these were right"
    ]


def _who(result: AdaptResult) -> str:
    network = "adapted search network" if result.training is None else f"adapted {result.network}"
    members = result.members or 1
    return network if members == 1 else f"{members} checkpoints of the {network} together"


def _shortened(values: list[str], verbose: bool) -> list[str]:
    return values if verbose or len(values) <= 6 else [*values[:2], "...", *values[-2:]]


def _predictions(record: Adapted) -> Table:
    rows = record.predictions or ()
    beside = any(row.beside is not None for row in rows)
    names = ("image", "class", "probability", *(["frozen network"] if beside else []), "label")
    drawn = table(names, title=f"predictions for {record.task.folder}", overflow="fold")
    for row in rows:
        add_row(
            drawn,
            row.image,
            "unsure" if row.unsure else row.class_,
            f"{row.probability:.3f}",
            *([row.beside or ""] if beside else []),
            row.label or "",
        )
    return drawn
