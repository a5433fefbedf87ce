"""`tnas transfer`: cells on CIFAR-10 or ImageNet (Appendix D)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.given import Wanted, wanted_of
from tnas_cli.cli.show import show
from tnas_cli.runs.device import Machine
from tnas_cli.settings.transfer import TransferSettings


@flat
def transfer(
    *,
    genotype: options.Genotype = None,
    wanted: Annotated[Wanted, From(wanted_of(TransferSettings))],
    limit: options.Limit = None,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster("engine", "allow_other_data"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Train a network of many cells on one data set, and measure it on the test images (Appendix D).

    --method random draws genotypes, trains each for --choice-epochs, and goes on with the best by validation, which
    RUN/chosen.jsonl keeps. It always computes with PyTorch. Ctrl-C saves, and `tnas resume RUN` continues.
    """
    from tnas_cli.commands.transfer import transfer as work
    from tnas_cli.recipes.transfer import transfer_settings

    settings = transfer_settings(wanted.preset, wanted.given, wanted.file)
    drawn = genotype is None and settings.method == "random"
    example = "tnas transfer DARTS_V2 --dataset cifar10"
    records = [] if drawn else read_argument(genotype, screen, example=example)
    with screen.progress() as listener:
        result = work(records, settings, limit=limit, runs=runs, machine=machine, listener=listener)
    show(screen, result)
