"""The README's pictures: theta before and after adaptation to a task, and the cells that it decodes to.

    python examples/draw_readme.py [FOLDER]

The task and the meta-architecture come with tnas. FOLDER (default: docs/pictures) receives each picture for a light
and for a dark page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from draw_figures import small

import tnas_cli as tnas
from tnas_cli.records.writing import line

#: A part of a figure's name, and the picture's.
KINDS = {"theta": "readme-theta", "cells": "readme-cells"}


def main(pictures: Path) -> None:
    """Adapt to the example task, draw all figures, and keep those of the README with fewer colours."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tnas.models(example=folder / "my_task")
        adapted, result = tnas.adapt_folders("omniglot-5w1s-search", [folder / "my_task"])
        records = folder / "adapted.jsonl"
        records.write_text("".join(map(line, [*adapted, result])), encoding="utf-8")
        for dark in (False, True):
            drawn, _ = tnas.figures([records], folder / "figures", dark=dark)
            files = [Path(file) for figure in drawn for file in figure.files if file.endswith(".png")]
            for kind, name in KINDS.items():
                source = next(file for file in files if f"adapted-{kind}" in file.stem)
                print(small(source, pictures / f"{name}{'-dark' if dark else ''}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "pictures")
