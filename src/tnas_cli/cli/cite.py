"""`tnas cite`: BibTeX for a paper that uses a run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat


@flat
def cite(
    *,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN|-]", help="Run directory, file of JSON lines, or - for stdin; default: none."),
    ] = None,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Print BibTeX for what a run used: the paper, tnas, methods and data sets; without RUN, the paper and tnas."""
    from tnas_cli.commands.cite import cite as cited_by

    references, result = cited_by(run, stdin=sys.stdin)
    if screen.as_json:
        for record in [*references, result]:
            screen.record(record.to_json())
        return
    screen.text("\n\n".join(reference.bibtex for reference in references))
    if run is not None:
        used = ", ".join([*result.methods, *result.datasets])
        screen.say(f"{result.references} references for {used}")
