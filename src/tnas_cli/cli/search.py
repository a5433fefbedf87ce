"""`tnas search`: learn a meta-architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.effects import refuse_beside_dry_run
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.given import Wanted, wanted_of
from tnas_cli.cli.show import show, show_estimate
from tnas_cli.errors import SettingsError
from tnas_cli.runs.device import Machine
from tnas_cli.settings.search import SearchSettings


@flat
def search(
    *,
    wanted: Annotated[Wanted, From(wanted_of(SearchSettings))],
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            callback=options.at_least(1),
            metavar="N",
            help="Repeat with N seeds, one run each.",
            show_default=False,
        ),
    ] = 1,
    dry_run: options.DryRun = False,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster("allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Learn a meta-architecture on a data set's training tasks (Algorithm 1).

    Writes runs/search-.../best.pt, chosen by validation tasks. Ctrl-C saves, and `tnas resume RUN` continues.
    """
    from tnas_cli.commands.search import estimate_search
    from tnas_cli.commands.search import search as work
    from tnas_cli.recipes.search_settings import search_settings

    if "dataset" not in {**wanted.file, **wanted.given}:
        raise SettingsError("no data set given.", hint="for example: tnas search --dataset glyphs --way 5 --shot 1")
    if dry_run:
        refuse_beside_dry_run(seeds, machine)
    settings = search_settings(wanted.preset, wanted.given, wanted.file)
    with screen.progress() as listener:
        if dry_run:
            show_estimate(screen, estimate_search(settings, machine=machine, listener=listener))
            return
        result = work(settings, seeds=seeds, runs=runs, machine=machine, listener=listener)
    show(screen, result)
