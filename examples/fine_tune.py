"""An adapted network as an ordinary PyTorch module, trained further by a plain loop.

    python examples/fine_tune.py [FOLDER]

FOLDER (default: a temporary one) receives the run, a task folder of drawn glyphs, and the adapted model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import tnas_cli as tnas

CLASSES, SHOTS, QUERIES, SIDE = 3, 2, 12, 28


def main(folder: Path) -> None:
    """Search briefly, adapt to a task folder, and fine-tune what was kept on more labelled images."""
    settings = tnas.SearchSettings(
        dataset="glyphs", way=3, shot=2, query=5, tasks=24, validate_every=24, validation_tasks=8, channels=8
    )
    found = tnas.search(settings, runs=folder)
    task, model = folder / "task", folder / "task.pt"
    for label in range(CLASSES):
        for number in range(SHOTS):
            place = task / "support" / f"class {label}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(drawing(label, number)).save(place / f"{number}.png")
    tnas.adapt_folders(found.checkpoint, [task], save=model)

    network = tnas.module(model)
    labels = torch.arange(CLASSES).repeat_interleave(QUERIES)  # [N]
    images = torch.stack(
        [torch.from_numpy(drawing(label, 100 + number)) for label in range(CLASSES) for number in range(QUERIES)]
    )
    x = images.unsqueeze(1).float() / 255  # [N, 1, H, W]; this network learned from pixels of 0 to 1
    before = accuracy(network, x, labels)

    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(30):
        loss = nn.functional.cross_entropy(network(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.save(network.state_dict(), folder / "fine-tuned.pt")
    print(f"accuracy before {before:.2f}, after fine-tuning {accuracy(network, x, labels):.2f}")


def drawing(label: int, number: int) -> np.ndarray:
    """A bright polygon on dark, of class `label`, moved and blurred a little by `number`: uint8 [SIDE, SIDE]."""
    noise = np.random.default_rng([label, number])
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + noise.uniform(-3, 3, (2, 1, 1))
    angle, distance = np.arctan2(rows, columns), np.hypot(rows, columns)
    edge = 9 * (1 + 0.35 * np.cos((label + 2) * angle + noise.uniform(-0.3, 0.3)))
    return (255 / (1 + np.exp(distance - edge))).astype(np.uint8)


def accuracy(network: nn.Module, x: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of right answers, in evaluation mode."""
    with torch.no_grad():
        return float((network.eval()(x).argmax(-1) == labels).double().mean())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
