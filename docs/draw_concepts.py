"""Draws the pictures of docs/concepts.md with a model that comes with tnas: `python docs/draw_concepts.py [FOLDER]`.

FOLDER is docs/pictures unless it is given.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import tnas_cli as tnas
from tnas_cli.recipes.meta_architecture import load_meta_architecture
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.picture import Picture, save
from tnas_cli.report.figures.smoothness import checked_theta
from tnas_cli.report.figures.theme import LIGHT
from tnas_cli.report.figures.theta_map import Encoding, theta_picture
from tnas_cli.runs.shipped import located
from tnas_cli.spaces.parameters import THETA

PICTURES = Path(__file__).with_name("pictures")
MODEL = "omniglot-5w1s-search"
TASKS = 2


def main(folder: Path) -> None:
    """theta~ beside the theta_i of two tasks, and the cells that the first one decodes to."""
    tasks, _ = tnas.adapt_dataset(MODEL, "glyphs", tasks=TASKS, query=10)
    meta = load_meta_architecture(located(Path(MODEL)), torch.device("cpu"))
    encodings = [Encoding("theta~: the meta-architecture", meta.parameters[THETA].double().numpy())]
    for number, task in enumerate(tasks, start=1):
        theta = checked_theta(task.theta or (), f"task {number}", task.space)
        encodings.append(Encoding(f"theta_{number}: adapted to task {number}", theta, decoded=True))
    write(theta_picture("concepts-theta", "One meta-architecture, two tasks", encodings), folder)
    cells = encodings[1].space.decode(torch.from_numpy(encodings[1].theta))
    write(cells_picture("concepts-cells", "What theta_1 decodes to", cells, ""), folder)


def write(picture: Picture, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{picture.name}.svg"
    save(picture.drawn(LIGHT), path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
