"""`tnas report --figures`: every figure that can be drawn from the given runs, as SVG and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.records.reported import FigureFiles
from tnas_cli.report.figures.picture import save
from tnas_cli.report.figures.theme import DARK, LIGHT
from tnas_cli.report.pictures import find_pictures
from tnas_cli.report.source import read_sources
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.endings import PICTURES


def figures(
    sources: Sequence[str | Path],
    folder: Path,
    *,
    dark: bool = False,
    stdin: str | None = None,
    machine: Machine = HERE,
) -> tuple[list[FigureFiles], list[str]]:
    """Draw into `folder`; returns a record of each figure, and a sentence for each that could not be drawn.

    `dark` draws on a dark background, and the names of the files end in -dark. Raises DataError for a source that is
    missing or malformed and if nothing at all can be drawn, TnasError if the folder cannot be written.
    """
    found = find_pictures(read_sources(sources, stdin), machine)
    if not found.by_source:
        raise DataError(
            "nothing to draw: " + "; ".join(found.left_out) + ".",
            hint="pass the run directory of a search or a training, or records of `tnas adapt --json`",
        )
    theme, suffix = (DARK, "-dark") if dark else (LIGHT, "")
    written = []
    for pictures in found.by_source.values():
        for picture in pictures:
            figure = picture.drawn(theme)
            paths = [folder / f"{picture.name}{suffix}{ending}" for ending in PICTURES]
            for path in paths:
                save(figure, path)
            files = tuple(map(str, paths))
            written.append(FigureFiles(figure=picture.title, caption=picture.caption, files=files))
    return written, found.left_out
