"""Options that several subcommands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, the last one the result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No words and no progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More words on stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
