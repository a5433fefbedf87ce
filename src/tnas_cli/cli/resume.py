"""`tnas resume`: go on with any kind of run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.show import show


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    hours: Annotated[
        float | None,
        typer.Option(
            "--hours",
            min=0,
            help="New limit of the run's whole time, earlier calls included; 0: no limit.",
            rich_help_panel="What may change",
        ),
    ] = None,
    side_by_side: Annotated[
        int | None,
        typer.Option(
            "--side-by-side", min=1, help="Networks trained at a time from now on.", rich_help_panel="What may change"
        ),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    engine: options.Engine = "auto",
    cache_dir: options.CacheDir = None,
    tensorboard: options.Tensorboard = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Go on with a run that was stopped, of a search or of any training.

    It has its own settings, data, engine and options, whatever the working directory. What is named here replaces them.
    A finished run is left as it is, and its result is shown again.
    """
    from tnas_cli.commands.resume import resume as go_on
    from tnas_cli.runs.changes import Changes
    from tnas_cli.runs.device import Machine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    machine = Machine(device, threads, cache_dir, offline=True, engine=engine, tensorboard=tensorboard)
    with screen.progress() as listener:
        result = go_on(run, changes=Changes(hours, side_by_side), machine=machine, listener=listener)
    show(screen, result)
