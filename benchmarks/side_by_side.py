"""Compares training several genotypes one after another, with all threads, and side by side, with one thread each.

    python benchmarks/side_by_side.py [--genotypes 4] [--tasks 200] [--repeats 3]

Runs what `tnas train-eval` runs, on glyphs, interleaved, and prints the wall times and their ratio. The times include
starting processes and reading compiled kernels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from tnas_cli.commands.train_eval import train_eval
from tnas_cli.recipes.decoded import decoded
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.spaces.random_genotype import random_genotype


def main() -> None:
    """Train in both ways in turn."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--genotypes", type=int, default=4)
    arguments.add_argument("--tasks", type=int, default=200)
    arguments.add_argument("--repeats", type=int, default=3)
    options = arguments.parse_args()
    generator = np.random.default_rng(0)
    records = [decoded(random_genotype(generator)) for _ in range(options.genotypes)]
    given = {"dataset": "glyphs", "tasks": options.tasks, "validate_every": options.tasks, "validation_tasks": 20}
    settings = settings_for(records, "quick", given | {"test_tasks": 40})
    threads = torch.get_num_threads()
    times: dict[int, list[float]] = {1: [], threads: []}
    means = set()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeats):
            for count, taken in times.items():
                result = train_eval(records, settings, side_by_side=count, runs=Path(folder))
                assert result.wall_seconds is not None
                taken.append(result.wall_seconds)
                means.add(result.mean)
    if len(means) > 1:
        sys.exit(f"the two ways give different accuracies: {means}")
    ratio = statistics.median(one / many for one, many in zip(times[1], times[threads], strict=True))
    for count, taken in times.items():
        print(f"{count} at a time: {statistics.median(taken):.1f} s for {options.genotypes} genotypes")
    print(f"side by side is {ratio:.2f} times as fast, {threads} threads")


if __name__ == "__main__":  # the processes import this file
    main()
