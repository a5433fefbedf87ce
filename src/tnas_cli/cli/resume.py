"""`tnas resume`: continue any kind of run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.effects import refuse_beside_cluster
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import show
from tnas_cli.runs.device import Machine


@flat
def resume(
    *,
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            callback=options.at_least(0),
            metavar="X",
            help="New limit of the run's whole time, earlier calls included; 0: no limit.",
            rich_help_panel="What may change",
        ),
    ] = None,
    side_by_side: Annotated[
        int | None,
        typer.Option(
            "--side-by-side",
            callback=options.at_least(1),
            metavar="N",
            help="Networks trained at a time, from now on.",
            rich_help_panel="What may change",
        ),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            callback=options.above(0),
            metavar="X",
            help="Go on until the interval is at most ± X points, after a training --until.",
            rich_help_panel="What may change",
        ),
    ] = None,
    machine: Annotated[Machine, From(options.on_cluster("offline", "allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Continue a run that was stopped: a search, or any training.

    It keeps its settings, data, engine and options, whatever the working directory. Options given here replace them.
    A finished run is left as it is, and its result is shown again.
    """
    from tnas_cli.commands.resume import resume as go_on
    from tnas_cli.runs.changes import Changes

    refuse_beside_cluster(side_by_side, machine)
    with screen.progress() as listener:
        changes = Changes(hours, side_by_side, None if until is None else until / 100)
        result = go_on(run, changes=changes, machine=machine, listener=listener)
    show(screen, result)
