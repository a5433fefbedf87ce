"""`tnas decode`: genotypes as text, JSON, DOT or pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.colours import WARNING
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.streams import standard_input
from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.records.kinds import Decoded

FORMATS = ("darts", "json", "dot")


@flat
def decode(
    *,
    source: Annotated[
        str,
        typer.Argument(
            help="Adapted records, a checkpoint, a genotype (text, file, FILE:NAME or name), or - for stdin."
        ),
    ],
    form: Annotated[
        str | None, typer.Option("--format", "-f", metavar="TEXT", help="darts (default), json or dot.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Also draw both cells: a .svg or .png file.")
    ] = None,
    module: Annotated[
        Path | None, typer.Option("--module", "-m", metavar="FILE.py", help="Also write the network in plain PyTorch.")
    ] = None,
    max_skips: options.MaxSkips = None,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Decode adapted tasks to genotypes: the two strongest edges of each node, each with its best operation.

    For a checkpoint, the meta-architecture theta~ itself is decoded; it is not meant to be used for a task (Appendix
    B). The names of published cells are DARTS_V1, DARTS_V2, NASNet-A, AmoebaNet-A (as DARTS has it),
    AmoebaNet-A-Real, AmoebaNet-B, AmoebaNet-C, PNASNet-5, ENAS, ENAS-paper, BASE-CIFAR, BASE-ImageNet, Auto-Meta,
    Auto-MAML-1shot and Auto-MAML-5shot.

    --max-skips is not part of the paper: while a cell has more skip connections than that, the weakest of them is
    forbidden and the cell is decoded again.
    """
    from tnas_cli.commands.decode import decode as decode_source
    from tnas_cli.commands.next_steps import after_decoding
    from tnas_cli.report.cell_graph import to_dot
    from tnas_cli.spaces.architecture import architecture

    if form is not None and form not in FORMATS:
        raise SettingsError(f"unknown format {form!r}.", hint=did_you_mean(form, FORMATS))
    if screen.as_json and form not in (None, "json"):
        raise SettingsError(f"--json and --format {form} exclude each other.", hint="leave one of them out")
    stdin = standard_input() if source == "-" else None
    as_json = screen.as_json or form == "json"

    def each(record: Decoded) -> None:
        if as_json:
            screen.record(record.to_json())
        else:
            screen.text(to_dot(architecture(record.genotype)) if form == "dot" else record.darts)

    records, result = decode_source(
        source, stdin=stdin, picture=picture, module=module, max_skips=max_skips, each=each, listener=screen.told
    )
    if as_json:
        screen.record(result.to_json())
        return
    for record in records if screen.verbose else records[:1]:
        number = record.parameters
        weights = "an unknown number of weights" if number is None else f"{number:,} weights"
        screen.say(f"{record.digest}: {weights}, {record.skip_connections} skip connections, {record.pools} pools")
    numbers = sorted(record.parameters for record in records if record.parameters is not None)
    spread = f", {numbers[0]:,} to {numbers[-1]:,} weights" if numbers else ""
    screen.say(f"{result.distinct} distinct of {result.tasks} genotypes{spread}")
    if result.warning:
        screen.say(f"warning: {result.warning}", style=WARNING)
    for path in result.pictures or ():
        screen.say(f"drawn: {path}")
    for path in result.modules or ():
        screen.say(f"written: {path}")
    screen.next(after_decoding(records, source, max_skips))
