"""`tnas train-eval`: train networks from scratch, or let them inherit weights, and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.effects import (
    refuse_beside_cluster,
    refuse_beside_dry_run,
    refuse_for_weights,
    refuse_in_estimate,
)
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.given import Wanted, wanted_of
from tnas_cli.cli.show import show, show_estimate
from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.runs.device import Machine
from tnas_cli.settings.fields import INHERITED
from tnas_cli.settings.train import TrainSettings

WEIGHTS = ("scratch", "inherited")


@flat
def train_eval(
    *,
    genotype: Annotated[
        str | None,
        typer.Argument(
            help="A genotype: a published name (DARTS_V2), text, a file of records, or -; or 4conv, resnet12."
        ),
    ] = None,
    wanted: Annotated[Wanted, From(wanted_of(TrainSettings))],
    dry_run: options.DryRun = False,
    workers: options.PlannedWorkers = None,
    price: options.Price = None,
    limit: options.Limit = None,
    max_skips: options.MaxSkips = None,
    side_by_side: Annotated[
        int | None,
        typer.Option(
            "--side-by-side",
            callback=options.at_least(1),
            metavar="N",
            help="Networks at a time; default: the fastest.",
            rich_help_panel=options.SEVERAL,
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            callback=options.at_least(1),
            metavar="N",
            help="Repeat with N seeds; default: 1.",
            show_default=False,
            rich_help_panel=options.SEVERAL,
        ),
    ] = 1,
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            callback=options.above(0),
            metavar="X",
            help="Go on until the interval is at most ± X points.",
            rich_help_panel=options.SEVERAL,
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            help="scratch (default), or inherited from the search.",
            metavar="TEXT",
            show_default=False,
            rich_help_panel=INHERITED,
        ),
    ] = "scratch",
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            help="This best.pt, not the one in the records.",
            metavar="FILE",
            rich_help_panel=INHERITED,
        ),
    ] = None,
    all_tasks: Annotated[
        bool,
        typer.Option("--all-tasks", help="Test each genotype on all test tasks.", rich_help_panel=INHERITED),
    ] = False,
    cross: Annotated[
        int | None,
        typer.Option(
            "--cross",
            callback=options.at_least(1),
            metavar="N",
            help="Also on tasks of N neighbours on each side.",
            rich_help_panel=INHERITED,
        ),
    ] = None,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster())],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Train each distinct genotype once from scratch (first-order MAML) and measure it on the stored test tasks.

    4conv (4conv-64) is MAML's network of 32 (64) filters. With --hours, the most frequent genotypes come first, as
    long as there is time for another; a single training uses all of it. With --weights inherited, the search's weights
    are meta-trained once for all genotypes instead. Ctrl-C saves, and `tnas resume RUN` continues.
    """
    from tnas_cli.commands import train_eval as work
    from tnas_cli.recipes.estimate_training import Bill
    from tnas_cli.recipes.train_settings import settings_for
    from tnas_cli.recipes.weights import Weights, weights_read

    if weights not in WEIGHTS:
        raise SettingsError(f"unknown --weights {weights!r}.", hint=did_you_mean(weights, WEIGHTS))
    kind: Weights = "scratch" if weights == "scratch" else "inherited, all tasks" if all_tasks else "inherited"
    beside: dict[str, object] = {"limit": limit, "side_by_side": side_by_side, "seeds": seeds > 1, "workers": workers}
    beside |= {"until": until}
    refuse_for_weights(
        beside | {"checkpoint": checkpoint, "all_tasks": all_tasks, "cross": cross}, weights_read(kind), weights
    )
    refuse_beside_cluster(side_by_side, machine)
    refuse_in_estimate(dry_run, workers, price, side_by_side)
    if dry_run:
        refuse_beside_dry_run(seeds, machine, until)
    records = read_argument(
        genotype, screen, max_skips, example="tnas train-eval DARTS_V2 --dataset glyphs --way 5 --shot 1"
    )
    trainings = limit if kind == "scratch" else 1
    settings = settings_for(records, wanted.preset, wanted.given, wanted.file, trainings=trainings, weights=kind)
    how: dict[str, Any] = {"limit": limit, "side_by_side": side_by_side}
    inherited: dict[str, Any] = {"checkpoint": checkpoint, "all_tasks": all_tasks, "cross": cross}
    with screen.progress() as listener:
        where: dict[str, Any] = {"machine": machine, "listener": listener}
        if dry_run:
            where["bill"] = Bill(workers, price)
            if kind == "scratch":
                show_estimate(screen, work.estimate_training(records, settings, **how, **where))
            else:
                show_estimate(screen, work.estimate_inheriting(records, settings, **inherited, **where))
            return
        if kind == "scratch":
            width = None if until is None else until / 100
            result = work.train_eval(records, settings, seeds=seeds, until=width, runs=runs, **how, **where)
        else:
            result = work.inherit(records, settings, runs=runs, **inherited, **where)
    show(screen, result)
