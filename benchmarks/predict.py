"""How fast a kept model answers for images on disk, beside the same network in a plain PyTorch loop.

    python benchmarks/predict.py [--images 2000] [--repeats 5]

Every way reads the same PNG files of 105 x 105 pixels. "plain PyTorch" is what a person writes: Pillow, a batch of 64,
the adapted network as `tnas.module` gives it. Prints images per second, medians of interleaved repeats, and the peak
memory of a process that answers for ten times as many images.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import tnas_cli as tnas

SEARCH: dict[str, Any] = {"way": 5, "shot": 1, "tasks": 8, "validate_every": 8, "validation_tasks": 4, "channels": 16}
BATCH = 64


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--images", type=int, default=2000)
    arguments.add_argument("--repeats", type=int, default=5)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = adapted_model(folder)
        files = drawings(folder / "photos", chosen.images)
        ways: dict[str, Callable[[], object]] = {
            "tnas predict, fused": lambda: tnas.predict(model, files),
            "tnas predict, torch": lambda: tnas.predict(model, files, machine=tnas.Machine(engine="torch")),
            "plain PyTorch": lambda: plain(model, files),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(chosen.repeats + 1):
            for name, way in ways.items():
                begin = time.perf_counter()
                way()
                if turn:
                    taken[name].append(time.perf_counter() - begin)
        slowest = statistics.median(taken["plain PyTorch"])
        print("| way | images per second | x plain PyTorch |\n| --- | --- | --- |")
        for name, seconds in taken.items():
            median = statistics.median(seconds)
            print(f"| {name} | {len(files) / median:.0f} | {slowest / median:.2f} |")
        few, many = peak_memory(model, files), peak_memory(model, drawings(folder / "many", 10 * chosen.images))
        print(f"\nPeak memory: {few:.0f} MB for {chosen.images:,} images, {many:.0f} MB for {10 * chosen.images:,}.")


def adapted_model(folder: Path) -> Path:
    """A search network, adapted to five drawn classes."""
    found = tnas.search(tnas.SearchSettings(dataset="glyphs", **SEARCH), runs=folder / "runs")
    for label in range(5):
        place = folder / "task" / "support" / str(label)
        place.mkdir(parents=True)
        drawing(label).save(place / "0.png")
    tnas.adapt_folders(found.checkpoint, [folder / "task"], save=folder / "model.pt")
    return folder / "model.pt"


def drawings(folder: Path, count: int) -> list[Path]:
    """So many PNG files."""
    folder.mkdir(parents=True)
    files = [folder / f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        drawing(number).save(file)
    return files


def drawing(number: int) -> Image.Image:
    """A coarse random pattern of 105 x 105 pixels."""
    pattern = np.random.default_rng(number).integers(0, 2, (7, 7), dtype=np.uint8) * 255
    return Image.fromarray(np.kron(pattern, np.ones((15, 15), np.uint8)))


def plain(model: Path, files: list[Path]) -> list[int]:
    """What a person writes."""
    network: Any = tnas.module(model)
    answers: list[int] = []
    size = network.preparation.size
    for first in range(0, len(files), BATCH):
        images = [Image.open(file).convert("L").resize((size, size)) for file in files[first : first + BATCH]]
        x = torch.from_numpy(np.stack([np.asarray(image) for image in images])).unsqueeze(1).float() / 255
        with torch.no_grad():
            answers += network(x).argmax(-1).tolist()
    return answers


def peak_memory(model: Path, files: list[Path]) -> float:
    """Of a `tnas predict` process, in MB."""
    words = [sys.executable, "-m", "tnas_cli", "predict", str(model), str(files[0].parent), "--csv"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
