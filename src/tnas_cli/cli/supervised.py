"""`tnas supervised`: supervised learning on a few larger tasks (Section 5.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.changes import read_changes
from tnas_cli.cli.console import Screen
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.show import show
from tnas_cli.errors import SettingsError, did_you_mean

METHODS = ("t-nas", "s1", "s2", "random")

#: DARTS on every task is what the paper calls S1.
_ALSO = {"darts": "s1"}

Whole = int | None


def supervised(
    genotype: Annotated[
        str | None,
        typer.Argument(help="A genotype for all tasks: its name, text, a file of records, or -; default: --method."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="Where each task's genotypes come from: t-nas, s1 (DARTS), s2 or random."),
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="A prepared data set, or a .h5 file.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="For t-nas: the best.pt to adapt to each task.")
    ] = None,
    preset: Annotated[str, typer.Option("--preset", help="paper or quick.")] = "quick",
    protocol: options.Protocol = None,
    way: options.Way = None,
    shot: options.Shot = None,
    query: options.Query = None,
    tasks: Annotated[Whole, typer.Option("--tasks", min=1, help="Test tasks.")] = None,
    epochs: Annotated[Whole, typer.Option("--epochs", min=1, help="Epochs of each training.")] = None,
    channels: options.Channels = None,
    order: Annotated[
        str | None, typer.Option("--order", help="Of the search by DARTS: first, or second (the exact Equation 4).")
    ] = None,
    seed: options.PresetSeed = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other of the settings; repeatable.")
    ] = None,
    runs: options.Runs = Path("runs"),
    device: options.Device = "auto",
    threads: options.Threads = None,
    engine: options.Engine = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Find architectures for a few larger tasks, train each on its task from scratch, and measure it (Section 5.3).

    --method finds genotypes of their own for every task; a genotype that is named is trained on all tasks. Ctrl-C
    saves, and `tnas resume RUN` goes on.
    """
    values = locals()
    from tnas_cli.commands.supervised import supervised as work
    from tnas_cli.recipes.supervised import supervised_settings
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.supervised import SupervisedSettings

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    given = options.settings_given(SupervisedSettings, values) | read_changes(changes or ())
    if method is not None:
        given["method"] = _ALSO.get(method, method)
        if given["method"] not in METHODS:
            raise SettingsError(
                f"there is no method {method!r} in the supervised setting.", hint=did_you_mean(method, METHODS)
            )
    if checkpoint is not None and given.get("method") != "t-nas":
        raise SettingsError("--checkpoint goes with --method t-nas.", hint="add it, or leave --checkpoint out")
    records = [] if genotype is None else read_argument(genotype, example="")
    machine = Machine(device, threads, cache_dir, offline, engine)
    settings = supervised_settings(preset, given)
    with screen.progress() as listener:
        result = work(records, settings, checkpoint=checkpoint, runs=runs, machine=machine, listener=listener)
    show(screen, result)
