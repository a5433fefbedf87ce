"""A task folder to try tnas on: characters as a person would scan them, drawn by stroke programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tnas_cli.episodes.glyphs import draw_class
from tnas_cli.errors import DataError
from tnas_cli.runs.files import replacing_folder

#: The seed and numbers of the characters, under the names of their folders.
SEED = 2026
CHARACTERS = {"anchor": 0, "bell": 1, "comb": 2, "drum": 3, "easel": 4}

SUPPORT, QUERY, SIDE = 2, 4, 56


def write_example(folder: Path) -> None:
    """support/<character>/*.png, two of each of five characters, and query/<character>/*.png, four of each, dark on
    white.

    Raises DataError where there is something already, and TnasError where nothing can be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} exists already.", hint="name a new folder")
    with replacing_folder(folder) as partial:
        for name, number in CHARACTERS.items():
            drawings = 255 - draw_class(SEED, number, SIDE)[..., 0]  # [20, SIDE, SIDE]
            for part, first, count in (("support", 0, SUPPORT), ("query", SUPPORT, QUERY)):
                _save(drawings[first : first + count], partial / part / name)


def _save(drawings: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True)
    for position, drawing in enumerate(drawings, start=1):
        Image.fromarray(drawing).save(folder / f"{position}.png")
