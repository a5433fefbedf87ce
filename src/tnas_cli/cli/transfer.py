"""`tnas transfer`: cells on CIFAR-10 or ImageNet (Appendix D)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.changes import read_changes
from tnas_cli.cli.console import Screen
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.show import show

Whole = int | None


def transfer(
    genotype: Annotated[
        str | None, typer.Argument(help="A genotype: a published one's name (DARTS_V2), text, a file of records, or -.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="cifar10, imagenet, or a .h5 file.")] = None,
    preset: Annotated[str, typer.Option("--preset", help="paper or quick.")] = "quick",
    protocol: options.Protocol = None,
    layers: Annotated[Whole, typer.Option("--layers", min=1, help="Cells of the network.")] = None,
    channels: Annotated[Whole, typer.Option("--channels", min=2, help="Channels of the first cells.")] = None,
    epochs: Annotated[Whole, typer.Option("--epochs", min=1, help="Epochs of training.")] = None,
    limit: Annotated[Whole, typer.Option("--limit", min=1, help="Only the most frequent genotypes.")] = None,
    seed: options.PresetSeed = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other of the settings; repeatable.")
    ] = None,
    runs: options.Runs = Path("runs"),
    device: options.Device = "auto",
    threads: options.Threads = None,
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    tensorboard: options.Tensorboard = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network of many cells on one data set, and measure it on the test images (Appendix D).

    Ctrl-C saves, and `tnas resume RUN` goes on.
    """
    values = locals()
    from tnas_cli.commands.transfer import transfer as work
    from tnas_cli.recipes.transfer import transfer_settings
    from tnas_cli.runs.device import Machine
    from tnas_cli.settings.transfer import TransferSettings

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    records = read_argument(genotype, example="tnas transfer DARTS_V2 --dataset cifar10")
    given = options.settings_given(TransferSettings, values) | read_changes(changes or ())
    settings = transfer_settings(preset, given)
    machine = Machine(device, threads, cache_dir, offline, tensorboard=tensorboard)
    with screen.progress() as listener:
        result = work(records, settings, limit=limit, runs=runs, machine=machine, listener=listener)
    show(screen, result)
