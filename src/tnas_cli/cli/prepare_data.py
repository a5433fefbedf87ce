"""`tnas prepare-data`: options to the engine, the record to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen

Text = str | None


def prepare_data(
    dataset: Annotated[str, typer.Argument(help="omniglot, glyphs, or folder (your own class folders).")],
    source: Annotated[
        Path | None, typer.Option("--source", help="Folder or zip to read instead of downloading; for folder: needed.")
    ] = None,
    protocol: Annotated[Text, typer.Option("--protocol", help="Split protocol; omniglot: random or vinyals.")] = None,
    size: Annotated[int | None, typer.Option("--size", help="Side of the images in pixels, 20 to 224.")] = None,
    seed: options.Seed = 0,
    name: Annotated[Text, typer.Option("--name", help="Name of a data set of your own; default: its folder's.")] = None,
    cache_dir: options.CacheDir = None,
    force: Annotated[bool, typer.Option("--force", help="Prepare again what is prepared already.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Turn images into a cache: one HDF5 file with splits, provenance and fixed test tasks.

    Prints what it holds and the next command. A data set that is prepared already is opened, not prepared again.
    """
    from tnas_cli.engine import prepare_data as engine

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    with screen.progress() as listener:
        record = engine.prepare_data(
            dataset,
            source=source,
            protocol=protocol,
            size=size,
            seed=seed,
            name=name,
            root=cache_dir,
            force=force,
            listener=listener,
        )
    if as_json:
        screen.record({"event": "result", "version": 1, "command": "prepare-data", **record})
        return
    colour = "gray" if record["channels"] == 1 else "colour"
    side = record["size"]
    screen.text(f"{record['dataset']} ({record['protocol']}), {side} x {side} {colour}, {record['bytes'] / 1e6:.1f} MB")
    screen.show(_table(record))
    facts = [("path", record["path"]), ("split", record["split_note"]), ("licence", record["licence"])]
    if verbose:
        facts += [("source", record["source"]), ("fingerprint", record["fingerprint"])]
    for label, value in facts:
        screen.text(f"{label:<8} {value}")
    where = f" --cache-dir {cache_dir}" if cache_dir else ""
    protocol_option = f" --protocol {protocol}" if protocol else ""
    screen.say(f"next: tnas search --dataset {record['dataset']}{protocol_option} --way 5 --shot 1{where}")


def _table(record: dict[str, Any]) -> Table:
    table = Table()
    table.add_column("split")
    table.add_column("classes", justify="right")
    table.add_column("images", justify="right")
    for split, counts in record["splits"].items():
        table.add_row(split, f"{counts['classes']:,}", f"{counts['images']:,}")
    return table
