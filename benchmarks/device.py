"""The torch engine's steps on a device, beside the floor of that device.

    python benchmarks/device.py [--device cuda] [--repeats 5]

Prints the median time of each row of benchmarks/README.md, and what share of it the step's arithmetic takes at the rate
of a 1,536 x 1,536 matrix product in float32 on the same device, measured between the repeats.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import CASES, Case, matrix_rate, seconds  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.runs.device import choose_device  # noqa: E402


def row(case: Case, device: torch.device, repeats: int) -> str:
    """A line of the table."""
    step = case.by_engine(TorchEngine(), device)
    step()
    rates, times = [], []
    for _ in range(repeats):
        rates.append(matrix_rate(device))
        times.append(seconds(step, device))
    time, rate = statistics.median(times), statistics.median(rates)
    return f"| {case.name} | {1e3 * time:,.0f} | {case.flops() / rate / time:.0%} | {rate / 1e9:,.0f} |"


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    device = choose_device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, torch {torch.__version__}\n")
    print("| step | ms | share of the floor | floor, GFLOP/s |\n| --- | --- | --- | --- |")
    for case in CASES:
        print(row(case, device, options.repeats), flush=True)


if __name__ == "__main__":
    main()
