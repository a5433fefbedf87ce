"""Options that several subcommands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, the last one the result.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No words and no progress on stderr.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More words on stderr.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads per operation; default: all cores.")]
CacheDir = Annotated[
    Path | None,
    typer.Option("--cache-dir", help="Where prepared data sets lie; default: TNAS_CACHE or the user's cache folder."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download anything.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would cost on this machine, and stop.")]
