"""`tnas adapt`: what a meta-architecture makes of new tasks, as tables or as records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.errors import SettingsError
from tnas_cli.records.kinds import Adapted


def adapt(
    checkpoint: Annotated[Path, typer.Argument(help="best.pt of a search.")],
    task: Annotated[list[Path] | None, typer.Argument(help="Task folders: support/<class>/*, query/...")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Adapt to this data set's tasks.")] = None,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "test",
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="How many tasks of the data set.")] = 20,
    protocol: options.Protocol = None,
    shot: options.Shot = None,
    query: options.Query = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Inner steps; default: the search's.")] = None,
    ensemble: Annotated[
        bool | None,
        typer.Option(
            "--ensemble/--no-ensemble",
            help="The search's best validation checkpoints answer together; default: where it kept them (T-NAS++).",
        ),
    ] = None,
    every_step: Annotated[
        bool, typer.Option("--every-step", help="Also the accuracies before each step and after the last one.")
    ] = False,
    invert: Annotated[str, typer.Option("--invert", help="auto, yes or no: bright ink on dark.")] = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    engine: options.Engine = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Adapt a meta-architecture to tasks (Algorithm 2): theta_i, support losses, and predictions for query images."""
    from tnas_cli.commands import adapt as work
    from tnas_cli.recipes.adapt import Asked
    from tnas_cli.runs.device import Machine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    if bool(task) == (dataset is not None):
        raise SettingsError(
            "give either task folders or --dataset.", hint=f"for example: tnas adapt {checkpoint} my_task/"
        )
    if invert not in ("auto", "yes", "no"):
        raise SettingsError(f"--invert is {invert!r}.", hint="choose auto, yes or no")
    machine = Machine(device, threads, cache_dir, offline, engine)
    asked = Asked(steps, ensemble, every_step)

    def each(record: Adapted) -> None:
        if as_json:
            screen.record(record.to_json())

    with screen.progress() as listener:
        if task:
            found = work.adapt_folders(
                checkpoint,
                task,
                asked,
                invert="auto" if invert == "auto" else invert == "yes",
                each=each,
                machine=machine,
                listener=listener,
            )
        else:
            assert dataset is not None
            found = work.adapt_dataset(
                checkpoint,
                dataset,
                asked,
                split=split,
                tasks=tasks,
                protocol=protocol,
                shot=shot,
                query=query,
                each=each,
                machine=machine,
                listener=listener,
            )
    if as_json:
        screen.record(found.result.to_json())
        return
    _show(screen, [record.to_json() for record in found.tasks], found.result.to_json(), verbose)
    targets = " ".join(map(str, task)) if task else f"--dataset {dataset} --split {split} --tasks {tasks}"
    screen.say(f"next: tnas adapt {checkpoint} {targets} --json | tnas decode -")


def _show(screen: Screen, adapted: list[dict[str, Any]], result: dict[str, Any], verbose: bool) -> None:
    table = Table(title="adapted tasks")
    by_step = any("query_accuracies" in record for record in adapted)
    last = "accuracy, per step" if by_step else "accuracy"
    for name in ("task", "way", "support loss, per step", "mean largest probability", last):
        table.add_column(name, overflow="fold")
    for record in adapted:
        where = record["task"]
        losses = [f"{loss:.3f}" for loss in record["support_losses"]]
        found = record.get("query_accuracies", [record["accuracy"]])
        accuracies = ["" if accuracy is None else f"{100 * accuracy:.2f}%" for accuracy in found]
        table.add_row(
            where.get("folder") or f"{where['dataset']} {where['split']} {where['index']}",
            str(record["way"]),
            " ".join(_shortened(losses, verbose)),
            f"{record['theta_mean_largest_probability']:.3f}",
            " ".join(_shortened(accuracies, verbose)),
        )
    screen.show(table)
    for record in adapted:
        if record.get("predictions"):
            screen.show(_predictions(record))
    if result["mean"] is not None:
        screen.say(
            f"accuracy {100 * result['mean']:.2f} ± {100 * result['interval']:.2f}% over {result['tasks']} tasks "
            f"(95% interval; {_who(result['members'])}, batch norm over the query set)"
        )


def _who(members: int) -> str:
    return "adapted search network" if members == 1 else f"{members} checkpoints of the adapted search network together"


def _shortened(values: list[str], verbose: bool) -> list[str]:
    return values if verbose or len(values) <= 6 else [*values[:2], "...", *values[-2:]]


def _predictions(record: dict[str, Any]) -> Table:
    table = Table(title=f"predictions for {record['task']['folder']}")
    for name in ("image", "class", "probability", "label"):
        table.add_column(name, overflow="fold")
    for row in record["predictions"]:
        table.add_row(row["image"], row["class"], f"{row['probability']:.3f}", row.get("label", ""))
    return table
