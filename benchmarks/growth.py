"""How time and memory of a search step grow with way, shot, tasks, inner steps, image size, channels and nodes.

    python benchmarks/growth.py [--repeats 5]

Writes benchmarks/growth.md and benchmarks/growth.svg. The fused engine computes a step of 5-way 1-shot, 4 tasks, M = 5,
28 px, with one of these varied at a time. Times are minima of interleaved repeats, and the floor is that of the fastest
matrix product between them; memory is what a thread keeps for the task that it computes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402
import torch  # noqa: E402

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from benchmarks.cases import QUERY, Case, matrix_rate, seconds  # noqa: E402
from benchmarks.cases import search as search_case  # noqa: E402
from benchmarks.memory import high_water  # noqa: E402
from tnas_cli.engines.choose import why_not_fused  # noqa: E402
from tnas_cli.engines.describe import describe  # noqa: E402
from tnas_cli.engines.fused.machine import target  # noqa: E402
from tnas_cli.engines.fused.network import plan_network  # noqa: E402
from tnas_cli.engines.fused.program import shares_of  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine, instruction_set  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.spaces.search_network import SearchNetwork  # noqa: E402


def base(side: int = 28) -> Case:
    """The step of which the others vary one value."""
    return search_case(1, side, 1, 0, 0)


def with_way(way: int) -> Case:
    """Another number of classes."""
    return replace(base(), way=way, network=SearchNetwork(way, 1))


def with_size(channels: int = 16, nodes: int = 4) -> Case:
    """Another width, or other cells."""
    return replace(base(), network=SearchNetwork(5, 1, channels, nodes))


def has_kernels(case: Case) -> bool:
    """Whether the fused engine can compute it."""
    return why_not_fused(case.network, torch.device("cpu")) is None


def megabytes(case: Case) -> float:
    """What a thread keeps for one task: the plan of the query images, or of the support images where these are more."""
    what = describe(case.network)

    def size(images: int) -> int:
        return plan_network(what, images, case.side, target(), shares=shares_of(images, case.side, alone=False)).size

    return max(map(size, (case.way * case.shot, case.way * QUERY))) * 4 / 1e6


VARIED: dict[str, tuple[tuple[int, ...], Callable[[int], Case]]] = {
    "way": ((2, 5, 10, 20, 64), with_way),
    "shot": ((1, 2, 5, 10), lambda shot: replace(base(), shot=shot)),
    "tasks per meta-batch": ((1, 2, 4, 8, 16), lambda tasks: replace(base(), tasks=tasks)),
    "inner steps": ((1, 2, 5, 10), lambda steps: replace(base(), steps=steps)),
    "image side, pixels": ((20, 28, 32, 48, 64, 84, 224), base),
    "channels": ((8, 16, 32, 36, 40, 48), with_size),
    "nodes of a cell": ((2, 3, 4, 5), lambda nodes: with_size(nodes=nodes)),
}


def main() -> None:
    """Measure, draw and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    engine, without = FusedEngine(), TorchEngine()
    figure, axes = pyplot.subplots(2, 4, figsize=(14, 6.4), constrained_layout=True)
    lines = []
    for axis, (name, (values, case_of)) in zip(axes.flat, VARIED.items(), strict=False):
        cases = [case_of(value) for value in values]
        steps = [case.by_engine(engine if has_kernels(case) else without) for case in cases]
        for step in steps:
            step()
        rounds, fastest = [], 0.0
        for _ in range(options.repeats):
            fastest = max(fastest, matrix_rate())
            rounds.append([seconds(step) for step in steps])
        times = [1e3 * min(column) for column in zip(*rounds, strict=True)]
        gigaflops = [case.flops() / 1e9 for case in cases]
        rates = [flops / time * 1e3 for flops, time in zip(gigaflops, times, strict=True)]
        for value, case, time, flops, rate in zip(values, cases, times, gigaflops, rates, strict=True):
            share, memory = f"{1e9 * rate / fastest:.0%}", f"{megabytes(case):,.0f}" if has_kernels(case) else "PyTorch"
            lines.append(f"| {name} | {value} | {time:,.0f} | {flops:,.1f} | {rate:.0f} | {share} | {memory} |")
            print(lines[-1], flush=True)
        axis.plot(values, times, "o-", color="black")
        axis.set(xlabel=name, ylabel="ms per step" if axis in axes[:, 0] else "", xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(VARIED) :]:
        axis.remove()
    figure.savefig(ROOT / "benchmarks" / "growth.svg", metadata={"Date": None})
    page = f"""# How the cost of a search step grows

`make growth` writes this page. The fused engine computes a step of 5-way 1-shot, 4 tasks, 15 query images per class,
M = 5, 28 x 28 pixels and one channel, with one of these varied at a time, on {engine.threads} threads
({instruction_set()}). Times are minima of {options.repeats} interleaved repeats. The share is that of the fastest 1,536
x 1,536 matrix product between the repeats. "PyTorch": there are no kernels for so many channels, and the torch engine
computes.

Memory is what a thread keeps for the task that it computes. A process has as many of these as threads, as far as there
are tasks, and in all these steps it held at most {high_water() / 1e9:.1f} GB.

![Time of a step against way, shot, tasks, inner steps, image side, channels and nodes](growth.svg)

| varied | value | ms per step | GFLOP | GFLOP/s | share | MB per thread |
| --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    (ROOT / "benchmarks" / "growth.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
