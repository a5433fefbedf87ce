"""`tnas supervised`: supervised learning on a few larger tasks (Section 5.3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.genotypes import read_argument
from tnas_cli.cli.given import Wanted, wanted_of
from tnas_cli.cli.show import show
from tnas_cli.runs.device import Machine
from tnas_cli.settings.applies import refuse
from tnas_cli.settings.features import ADAPTATION, SUPERVISED_READS
from tnas_cli.settings.supervised import SupervisedSettings

#: DARTS on every task is what the paper calls S1.
_ALSO = {"darts": "s1"}


@flat
def supervised(
    *,
    genotype: options.Genotype = None,
    wanted: Annotated[Wanted, From(wanted_of(SupervisedSettings))],
    checkpoint: options.Checkpoint = None,
    runs: options.Runs = Path("runs"),
    machine: Annotated[Machine, From(options.on_cluster("tensorboard"))],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Find architectures for a few larger tasks, train each on its task from scratch, and measure it (Section 5.3).

    --method finds genotypes for each task separately; t-nas adapts a --checkpoint to do so. A genotype that is given as
    an argument is trained on all tasks. Ctrl-C saves, and `tnas resume RUN` continues.
    """
    from tnas_cli.commands.supervised import supervised as work
    from tnas_cli.recipes.supervised import supervised_settings

    if (method := str(wanted.given.get("method"))) in _ALSO:
        wanted = replace(wanted, given={**wanted.given, "method": _ALSO[method]})
    settings = supervised_settings(wanted.preset, wanted.given, wanted.file)
    if checkpoint is not None:
        reads, who = SUPERVISED_READS[settings.method], f"--method {settings.method}"
        refuse(["checkpoint"], {"checkpoint": ADAPTATION}, reads, who, SUPERVISED_READS)
    records = [] if genotype is None else read_argument(genotype, screen, example="")
    with screen.progress() as listener:
        result = work(records, settings, checkpoint=checkpoint, runs=runs, machine=machine, listener=listener)
    show(screen, result)
