"""What a search step costs where the support's moments, or TaskNorm, answer for query images in meta-training.

    python benchmarks/statistics_cost.py [--repeats 7]

Prints a table for benchmarks/README.md's neighbours: medians of interleaved repeats, as ratios to the published step of
the same engine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import WAY, search, seconds  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.engines.interface import Engine  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.runs.seeds import torch_generator  # noqa: E402
from tnas_cli.spaces.parameters import draw  # noqa: E402
from tnas_cli.spaces.search_network import SearchNetwork  # noqa: E402
from tnas_cli.spaces.task_norm import TaskNormedSearch  # noqa: E402

#: (image channels, side, shot), and the most that the support's moments may cost with kernels.
STEPS = (((1, 28, 1), 1.15), ((1, 28, 5), 1.35), ((3, 32, 1), 1.15), ((3, 32, 5), 1.35))


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=7)
    repeats = arguments.parse_args().repeats
    fused, torch_engine = FusedEngine(), TorchEngine()
    print("| search step | support, fused | support, torch | TaskNorm, torch |\n| --- | --- | --- | --- |", flush=True)
    for (channels, side, shot), most in STEPS:
        ratios = [
            ratio(channels, side, shot, fused, repeats),
            ratio(channels, side, shot, torch_engine, repeats),
            ratio(channels, side, shot, torch_engine, repeats, task_norm=True),
        ]
        by_kernels, by_torch, by_task_norm = (f"{one:.2f}" for one in ratios)
        print(f"| {side} px, {shot}-shot | {by_kernels} ({most}) | {by_torch} | {by_task_norm} |", flush=True)


def ratio(channels: int, side: int, shot: int, engine: Engine, repeats: int, *, task_norm: bool = False) -> float:
    """Time of the step over that of the published one."""
    case = search(channels, side, shot, 0, 0)
    published, support, query = case.inputs()
    network = TaskNormedSearch(SearchNetwork(WAY, channels)) if task_norm else case.network
    parameters = draw(network.specs(), torch_generator(0, "statistics"))
    ways: list[Callable[[], object]] = [
        lambda: engine.meta_gradient(case.network, published, support, query, case.rule),
        lambda: engine.meta_gradient(network, parameters, support, query, case.rule, by_support=True),
    ]
    for way in ways:
        way()
    times = [[seconds(way) for way in ways] for _ in range(repeats)]
    before, after = (statistics.median(column) for column in zip(*times, strict=True))
    return float(after / before)


if __name__ == "__main__":
    main()
