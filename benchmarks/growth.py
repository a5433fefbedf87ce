"""How the time of a search step grows with way, shot, tasks per meta-batch, inner steps and image size.

    python benchmarks/growth.py [--repeats 5]

Writes benchmarks/growth.md and benchmarks/growth.svg. The fused engine computes a step of 5-way 1-shot, 4 tasks, M = 5,
28 px, with one of these varied at a time. Times are minima of interleaved repeats.
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

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from benchmarks.cases import Case, seconds  # noqa: E402
from benchmarks.cases import search as search_case  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.spaces.search_network import SearchNetwork  # noqa: E402


def base(side: int = 28) -> Case:
    """The step of which the others vary one value."""
    return search_case(1, side, 1, 0, 0)


def with_way(way: int) -> Case:
    """Another number of classes."""
    return replace(base(), way=way, network=SearchNetwork(way, 1))


VARIED: dict[str, tuple[tuple[int, ...], Callable[[int], Case]]] = {
    "way": ((2, 5, 10, 20), with_way),
    "shot": ((1, 2, 5, 10), lambda shot: replace(base(), shot=shot)),
    "tasks per meta-batch": ((1, 2, 4, 8, 16), lambda tasks: replace(base(), tasks=tasks)),
    "inner steps": ((1, 2, 5, 10), lambda steps: replace(base(), steps=steps)),
    "image side, pixels": ((20, 28, 32, 48, 64, 84), base),
}


def main() -> None:
    """Measure, draw and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    options = arguments.parse_args()
    engine = FusedEngine()
    figure, axes = pyplot.subplots(1, len(VARIED), figsize=(15, 3.2), constrained_layout=True)
    lines = []
    for axis, (name, (values, case_of)) in zip(axes, VARIED.items(), strict=True):
        cases = [case_of(value) for value in values]
        steps = [case.by_engine(engine) for case in cases]
        for step in steps:
            step()
        rounds = [[seconds(step) for step in steps] for _ in range(options.repeats)]
        times = [1e3 * min(column) for column in zip(*rounds, strict=True)]
        gigaflops = [case.flops() / 1e9 for case in cases]
        rates = [flops / time * 1e3 for flops, time in zip(gigaflops, times, strict=True)]
        for value, time, flops, rate in zip(values, times, gigaflops, rates, strict=True):
            lines.append(f"| {name} | {value} | {time:,.0f} | {flops:,.1f} | {rate:.0f} |")
            print(lines[-1], flush=True)
        axis.plot(values, times, "o-", color="black")
        axis.set(xlabel=name, ylabel="ms per step" if axis is axes[0] else "", xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.savefig(ROOT / "benchmarks" / "growth.svg", metadata={"Date": None})
    page = f"""# How the cost of a search step grows

`make growth` writes this page. The fused engine computes a step of 5-way 1-shot, 4 tasks, 15 query images per class,
M = 5, 28 x 28 pixels and one channel, with one of these varied at a time, on {engine.threads} threads. Times are minima
of {options.repeats} interleaved repeats.

![Time of a step against way, shot, tasks, inner steps and image side](growth.svg)

| varied | value | ms per step | GFLOP | GFLOP/s |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    (ROOT / "benchmarks" / "growth.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
