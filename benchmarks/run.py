"""Measure side by side, interleaved, in one process, and write benchmarks/README.md.

    python benchmarks/run.py [--repeats 5] [--output benchmarks/README.md]

Every row times the plain per-task loop of tests/oracle.py (ordinary convolutions, one task, edge and operation after
the other, one query pass per task) and the engine on the same tasks, in turn, and takes medians. The floor is the
arithmetic of the step at the rate that matrix products reach in the same run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import oracle  # noqa: E402
from tests.helpers import AUTO_MAML_5SHOT  # noqa: E402
from tnas_cli.compute.interface import InnerRule, Network  # noqa: E402
from tnas_cli.compute.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.episodes import registry  # noqa: E402
from tnas_cli.episodes.tasks import load_batch, sample_indices  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402
from tnas_cli.runs.seeds import torch_generator  # noqa: E402
from tnas_cli.space.cost import flops_per_image, flops_per_task  # noqa: E402
from tnas_cli.space.decoded_network import DecodedNetwork  # noqa: E402
from tnas_cli.space.parameters import draw  # noqa: E402
from tnas_cli.space.search_network import SearchNetwork  # noqa: E402

TASKS, WAY, QUERY, STEPS = 4, 5, 15, 5


@dataclass(frozen=True)
class Row:
    """One step: the network, how the oracle computes it, the image size and the shots."""

    name: str
    network: Network
    plain: oracle.Logits
    channels: int
    size: int
    shot: int
    beta: float


def rows() -> list[Row]:
    """What is measured."""
    genotype = AUTO_MAML_5SHOT

    def decoded(w: oracle.Weights, x: torch.Tensor) -> torch.Tensor:
        return oracle.decoded_logits(w, x, list(genotype.normal), list(genotype.reduce))

    found = []
    for channels, size, shot in ((1, 28, 1), (1, 28, 5), (3, 32, 1)):
        network = SearchNetwork(WAY, channels)
        found.append(Row("search step", network, oracle.search_logits, channels, size, shot, 30.0))
    for shot in (1, 5):
        network_28 = DecodedNetwork(genotype, WAY, 1)
        found.append(Row("training step, decoded network", network_28, decoded, 1, 28, shot, 0.0))
    return found


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def measure(row: Row, repeats: int) -> tuple[float, float, int]:
    """Median seconds of the plain loop and of the engine, and the step's floating-point operations."""
    generator = torch_generator(0, f"benchmark {row.name} {row.size} {row.shot}")

    def images(per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
        count = WAY * per_class
        x = torch.rand(TASKS, count, row.channels, row.size, row.size, generator=generator)
        return x, torch.arange(WAY).repeat_interleave(per_class).expand(TASKS, count)

    support, query = images(row.shot), images(QUERY)
    parameters = draw(row.network.specs(), generator)
    rule, engine = InnerRule(0.1, row.beta, STEPS), TorchEngine()
    tasks = [((support[0][i], support[1][i]), (query[0][i], query[1][i])) for i in range(TASKS)]

    def plain() -> None:
        oracle.meta_gradient(row.plain, parameters, tasks, lambda n: row.beta if n == "theta" else 0.1, STEPS)

    def fast() -> None:
        engine.meta_gradient(row.network, parameters, support, query, rule)

    plain(), fast()
    times = [(seconds(plain), seconds(fast)) for _ in range(repeats)]
    slow, quick = (statistics.median(column) for column in zip(*times, strict=True))
    per_image = flops_per_image(row.network.logits, row.network.specs(), row.channels, row.size)
    flops = TASKS * flops_per_task(per_image, support=WAY * row.shot, query=WAY * QUERY, steps=STEPS)
    return slow, quick, flops


def matrix_rate() -> float:
    """Floating-point operations per second of a float32 matrix product, the best of ten."""
    n = 1536
    a, b = torch.rand(n, n), torch.rand(n, n)
    return 2 * n**3 / min(seconds(lambda: a @ b) for _ in range(10))


def reading() -> float:
    """Seconds to read and normalise one meta-batch of tasks from the prepared glyphs, median of 50."""
    cache = registry.ensure("glyphs")

    def read(first: int) -> None:
        indices = [sample_indices(cache, "train", WAY, 1, QUERY, 0, first + i) for i in range(TASKS)]
        load_batch(cache, np.stack(indices), 1)

    return statistics.median(seconds(lambda first=first: read(first)) for first in range(0, 50 * TASKS, TASKS))


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "README.md")
    options = arguments.parse_args()

    rate = matrix_rate()
    lines, first_step = [], 0.0
    for row in rows():
        slow, quick, flops = measure(row, options.repeats)
        first_step = first_step or quick
        lines.append(
            f"| {row.name}, {row.size} px, {row.shot}-shot | {1e3 * slow:,.0f} ms | {1e3 * quick:,.0f} ms | "
            f"{slow / quick:.1f} | {100 * flops / rate / quick:.0f}% |"
        )
        print(lines[-1], flush=True)
    read = reading()
    about = environment(torch.device("cpu"))
    table = "\n".join(lines)
    page = f"""# Benchmarks

`make bench` writes this page: medians of {options.repeats} repeats, interleaved, in one process. Meta-batch of
{TASKS} tasks, {WAY}-way, {QUERY} query images per class, M = {STEPS}, float32, first order. The plain loop is
`tests/oracle.py`: ordinary convolutions, one task, edge and operation after the other. The floor is the step's
arithmetic at the rate that a matrix product reaches in the same run ({rate / 1e9:.0f} GFLOP/s).

| step | plain loop | engine | ratio | share of the floor |
| --- | --- | --- | --- | --- |
{table}

Reading and normalising a meta-batch from the cache takes {1e3 * read:.1f} ms, {100 * read / first_step:.1f}% of the
first row's step.

Machine: {about["processor"]}, {about["cores"]} cores, {about["threads"]} threads; {platform.system()};
Python {about["python"]}, torch {about["torch"]}, tnas {about["package_version"]}.
"""
    options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
