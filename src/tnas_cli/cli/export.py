"""`tnas export`: an adapted model as a file that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.flat import From, flat


@flat
def export(
    *,
    model: Annotated[Path, typer.Argument(help="A model that tnas adapt kept.")],
    file: Annotated[Path, typer.Argument(help="What to write: a .onnx or a .pt2 file.")],
    form: Annotated[
        str | None, typer.Option("--format", "-f", metavar="TEXT", help="onnx or torch; default: by the ending.")
    ] = None,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Export an adapted model to ONNX (extra `onnx`) or to PyTorch's exported program.

    The file takes prepared images in any number and gives logits; its metadata says how images are prepared and what
    the classes are called.
    """
    from tnas_cli.commands.export import export as export_model

    result = export_model(model, file, form)
    if screen.as_json:
        screen.record(result.to_json())
        return
    screen.say(f"{', '.join(result.classes)}; {result.bytes / 1e6:.2f} MB")
    screen.path(result.path)
