"""Every kind of figure, and the HTML report, from a short search on the embedded data set.

    python examples/draw_figures.py [FOLDER] [TASKS]

FOLDER (default: a temporary one) receives runs/, figures/, report.html, and pictures/ with one small PNG of each kind.
TASKS (default: 24) is the number of search tasks. docs/pictures/ was drawn with 3000, which takes a few minutes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

import tnas_cli as tnas
from tnas_cli.records.writing import line

#: One picture of each kind: a part of its figure's name, and whether the dark version is taken.
KINDS = {"theta": ("adapted-theta", False), "cells": ("cells", True), "curves": ("search-curves", False)}
KINDS |= {"steps": ("adapted-steps", False), "task": ("adapted-task", False)}
COLOURS = 256


def main(folder: Path, tasks: int) -> None:
    """Search, adapt to test tasks, draw."""
    settings = tnas.SearchSettings(
        dataset="glyphs", way=5, shot=1, query=5, tasks=tasks, validate_every=max(8, tasks // 10), validation_tasks=16
    )
    run = Path(str(tnas.search(settings, runs=folder / "runs").run))
    search = folder / "search"
    shutil.copytree(run, search, dirs_exist_ok=True)
    asked = tnas.Asked(every_step=True)
    adapted, result = tnas.adapt_dataset(search / "best.pt", "glyphs", asked, tasks=12, query=10)
    lines = "".join(map(line, [*adapted, result]))
    (folder / "adapted.jsonl").write_text(lines, encoding="utf-8")

    sources = [search, folder / "adapted.jsonl"]
    drawn = [tnas.figures(sources, folder / "figures", dark=dark) for dark in (False, True)]
    for reason in drawn[0][1]:
        print(f"not drawn: {reason}")
    print(tnas.html_report(sources, folder / "report.html").html)

    files = [Path(file) for figures, _ in drawn for figure in figures for file in figure.files]
    for kind, (name, dark) in KINDS.items():
        source = next(
            file for file in files if name in file.stem and file.suffix == ".png" and ("-dark" in file.stem) == dark
        )
        print(small(source, folder / "pictures" / f"{kind}.png"))


def small(source: Path, target: Path) -> Path:
    """The same picture with fewer colours, for a page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        fewer = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        fewer.save(target, optimize=True)
    return target


if __name__ == "__main__":
    chosen = int(sys.argv[2]) if len(sys.argv) > 2 else 24
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), chosen)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary), chosen)
