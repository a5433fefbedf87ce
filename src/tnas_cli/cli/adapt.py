"""`tnas adapt`: adapt a meta-architecture to new tasks, and show the results as tables or as records."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import percent
from tnas_cli.errors import SettingsError
from tnas_cli.records.kinds import Adapted
from tnas_cli.runs.device import Machine
from tnas_cli.settings.applies import refuse

if TYPE_CHECKING:
    from tnas_cli.commands.adapt import Adaptation


DATA_SET, FOLDERS = "Tasks of a data set", "Task folders"

_INVERT: dict[str, Literal["auto"] | bool] = {"auto": "auto", "yes": True, "no": False}


@flat
def adapt(
    *,
    checkpoint: Annotated[Path, typer.Argument(help="best.pt of a search.")],
    task: Annotated[list[Path] | None, typer.Argument(help="Task folders: support/<class>/*, query/...")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Adapt to this data set's tasks.")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="train, val or test; default: test.", rich_help_panel=DATA_SET)
    ] = None,
    tasks: Annotated[
        int | None,
        typer.Option(
            "--tasks",
            callback=options.at_least(1),
            metavar="N",
            help="How many tasks of the data set; default: 20.",
            rich_help_panel=DATA_SET,
        ),
    ] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Split protocol of the data set.", rich_help_panel=DATA_SET)
    ] = None,
    shot: Annotated[
        int | None,
        typer.Option(
            "--shot",
            callback=options.at_least(1),
            metavar="N",
            help="Support images per class; default: the search's.",
            rich_help_panel=DATA_SET,
        ),
    ] = None,
    query: Annotated[
        int | None,
        typer.Option(
            "--query",
            callback=options.at_least(1),
            metavar="N",
            help="Query images per class; default: the search's.",
            rich_help_panel=DATA_SET,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", callback=options.at_least(1), metavar="N", help="Inner steps; default: the search's."),
    ] = None,
    ensemble: Annotated[
        bool | None,
        typer.Option(
            "--ensemble/--no-ensemble",
            help="Average the answers of the search's best checkpoints; default: if it kept several (T-NAS++).",
        ),
    ] = None,
    every_step: Annotated[
        bool, typer.Option("--every-step", help="Also give accuracies before each step and after the last one.")
    ] = False,
    invert: Annotated[
        str | None,
        typer.Option("--invert", help="Turn dark ink bright: auto, yes or no.", rich_help_panel=FOLDERS),
    ] = None,
    machine: Annotated[Machine, From(options.machine_without("tensorboard"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Adapt a meta-architecture to tasks (Algorithm 2): theta_i, support losses, and predictions for query images."""
    from tnas_cli.commands.adapt import adapt_dataset, adapt_folders
    from tnas_cli.recipes.adapt import Asked

    of_data_sets: dict[str, object] = {
        "split": split,
        "tasks": tasks,
        "protocol": protocol,
        "shot": shot,
        "query": query,
    }
    _check_what(task, dataset, of_data_sets, invert, checkpoint)

    def each(record: Adapted) -> None:
        if screen.as_json:
            screen.record(record.to_json())

    where: dict[str, Any] = {"each": each, "machine": machine}
    asked = Asked(steps, ensemble, every_step)
    with screen.progress() as listener:
        where["listener"] = listener
        if task:
            found = adapt_folders(checkpoint, task, asked, invert=_INVERT[invert or "auto"], **where)
        else:
            of: dict[str, Any] = {
                "split": split or "test",
                "tasks": tasks or 20,
                "protocol": protocol,
                "shot": shot,
                "query": query,
            }
            found = adapt_dataset(checkpoint, str(dataset), asked, **of, **where)
    if screen.as_json:
        screen.record(found.result.to_json())
        return
    _show(screen, found)
    words = [str(folder) for folder in task or ()]
    words = words or ["--dataset", str(dataset), "--split", split or "test", "--tasks", str(tasks or 20)]
    screen.say(f"next: tnas adapt {shlex.join([str(checkpoint), *words])} --json | tnas decode -")


def _check_what(
    folders: list[Path] | None, dataset: str | None, of_data_sets: dict[str, object], invert: str | None, best: Path
) -> None:
    """Raises SettingsError unless either task folders or a data set is given, and for options of the other one."""
    if bool(folders) == (dataset is not None):
        raise SettingsError("give either task folders or --dataset.", hint=f"for example: tnas adapt {best} my_task/")
    if invert not in (None, *_INVERT):
        raise SettingsError(f"--invert is {invert!r}.", hint="choose auto, yes or no")
    given = [name for name, value in (of_data_sets | {"invert": invert}).items() if value is not None]
    needs = dict.fromkeys(of_data_sets, DATA_SET) | {"invert": FOLDERS}
    reads, who = (FOLDERS, "task folders") if folders else (DATA_SET, "--dataset")
    others = {"--dataset": frozenset({DATA_SET}), "task folders": frozenset({FOLDERS})}
    refuse(given, needs, frozenset({reads}), who, others)


def _show(screen: Screen, found: Adaptation) -> None:
    by_step = any(record.query_accuracies for record in found.tasks)
    table = Table(title="adapted tasks")
    last = "accuracy, per step" if by_step else "accuracy"
    for name in ("task", "way", "support loss, per step", "mean largest probability", last):
        table.add_column(name, overflow="fold")
    for record in found.tasks:
        task, losses = record.task, [f"{loss:.3f}" for loss in record.support_losses]
        accuracies = record.query_accuracies or (record.accuracy,)
        table.add_row(
            task.folder or f"{task.dataset} {task.split} {task.index}",
            str(record.way),
            " ".join(_shortened(losses, screen.verbose)),
            f"{record.theta_mean_largest_probability:.3f}",
            " ".join(_shortened(["" if one is None else f"{percent(one)}%" for one in accuracies], screen.verbose)),
        )
    screen.show(table)
    for record in found.tasks:
        if record.predictions:
            screen.show(_predictions(record))
    result = found.result
    if result.mean is not None:
        screen.say(
            f"accuracy {percent(result.mean)} ± {percent(result.interval)}% over {result.tasks} tasks "
            f"(95% interval; {_who(result.members or 1)}, batch norm over the query set)"
        )


def _who(members: int) -> str:
    return "adapted search network" if members == 1 else f"{members} checkpoints of the adapted search network together"


def _shortened(values: list[str], verbose: bool) -> list[str]:
    return values if verbose or len(values) <= 6 else [*values[:2], "...", *values[-2:]]


def _predictions(record: Adapted) -> Table:
    table = Table(title=f"predictions for {record.task.folder}")
    for name in ("image", "class", "probability", "label"):
        table.add_column(name, overflow="fold")
    for row in record.predictions or ():
        table.add_row(row.image, row.class_, f"{row.probability:.3f}", row.label or "")
    return table
