"""`tnas grow`: a cell that grows node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.effects import refuse_beside_dry_run
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.given import Wanted, wanted_of
from tnas_cli.cli.show import show, show_estimate
from tnas_cli.errors import SettingsError
from tnas_cli.runs.device import Machine
from tnas_cli.settings.grow import GrowSettings


@flat
def grow(
    *,
    wanted: Annotated[Wanted, From(wanted_of(GrowSettings))],
    dry_run: options.DryRun = False,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster("allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Grow a cell node by node, by short trainings and a predictor (Auto-Meta, after PNAS).

    Trains --first cells of one node, then the --beam most promising of each larger size, and judges them by validation
    tasks. RUN/chosen.jsonl keeps the best of --nodes nodes. Ctrl-C saves, and `tnas resume RUN` continues.
    """
    from tnas_cli.commands.grow import estimate_growing
    from tnas_cli.commands.grow import grow as work
    from tnas_cli.recipes.grow import grow_settings

    if "dataset" not in {**wanted.file, **wanted.given}:
        raise SettingsError("no data set given.", hint="for example: tnas grow --dataset glyphs --way 5 --shot 1")
    if dry_run:
        refuse_beside_dry_run(1, machine)
    settings = grow_settings(wanted.preset, wanted.given, wanted.file)
    with screen.progress() as listener:
        if dry_run:
            show_estimate(screen, estimate_growing(settings, machine=machine, listener=listener))
            return
        result = work(settings, runs=runs, machine=machine, listener=listener)
    show(screen, result)
