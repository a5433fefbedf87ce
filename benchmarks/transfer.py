"""How fast PyTorch trains DARTS's networks of one data set, in two layouts of memory.

    python benchmarks/transfer.py [--repeats 5]

Writes benchmarks/transfer.md. A step is forward and backward of the cells that DARTS's second-order search found, with
the auxiliary head, as `tnas transfer` computes them. Before each turn the rate of a large matrix product is measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import matrix_rate, seconds  # noqa: E402
from tnas_cli.runs.seeds import torch_generator  # noqa: E402
from tnas_cli.spaces.cells import Cells  # noqa: E402
from tnas_cli.spaces.darts_network import DartsNetwork, DartsShape, initialise  # noqa: E402
from tnas_cli.spaces.known_genotypes import known  # noqa: E402

LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


@dataclass(frozen=True)
class Row:
    """A network, the side of its images, and how many are a batch."""

    shape: DartsShape
    side: int
    images: int

    @property
    def name(self) -> str:
        """As the page has it."""
        return f"{self.shape.layers} cells, {self.shape.channels} channels, {self.side} px, {self.images} images"


ROWS = (
    Row(DartsShape(10, channels=16, layers=8), 32, 64),
    Row(DartsShape(10, channels=36, layers=20), 32, 32),
    Row(DartsShape(1000, channels=48, layers=14, stem="imagenet"), 224, 8),
)


def step_of(cells: Cells, row: Row, layout: torch.memory_format) -> Callable[[], object]:
    """Forward and backward of one batch."""
    network = DartsNetwork(cells, row.shape)
    initialise(network, torch_generator(0, "benchmark transfer"))
    network = network.to(memory_format=layout).train()
    x = torch.rand(row.images, 3, row.side, row.side, generator=torch_generator(0, "benchmark transfer images"))
    y = torch.arange(row.images) % row.shape.classes

    def step() -> object:
        logits, second = network(x)
        assert second is not None
        loss = F.cross_entropy(logits, y) + 0.4 * F.cross_entropy(second, y)
        return torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)

    return step


def measured(cells: Cells, row: Row, repeats: int) -> str:
    """A line of the table."""
    steps = [step_of(cells, row, layout) for layout in LAYOUTS.values()]
    with FlopCounterMode(display=False) as counter:
        steps[0]()
    steps[1]()
    rates, times = [], []
    for _ in range(repeats):
        rates.append(matrix_rate())
        times.append([seconds(step) for step in steps])
    first, last = (statistics.median(column) for column in zip(*times, strict=True))
    floor = counter.get_total_flops() / statistics.median(rates)
    return (
        f"| {row.name} | {1e3 * first:,.0f} | {1e3 * last:,.0f} | {first / last:.2f} | "
        f"{floor / first:.0%} | {floor / last:.0%} |"
    )


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    repeats = arguments.parse_args().repeats
    published, lines = known("DARTS_V2"), []
    assert published is not None
    for row in ROWS:
        lines.append(measured(published.cells, row, repeats))
        print(lines[-1], flush=True)
    page = f"""# Training on one data set

`python benchmarks/transfer.py` writes this page: a training step of DARTS_V2's cells, forward and backward, by PyTorch
{torch.__version__} on {torch.get_num_threads()} threads, in two layouts of memory; medians of {repeats} interleaved
repeats, in ms. The floor is the step's arithmetic at the rate of a 1,536 x 1,536 matrix product, measured between the
repeats. `tnas transfer` takes channels last on a CPU.

| network | channels first | channels last | first over last | share of the floor, first | last |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}
"""
    (ROOT / "benchmarks" / "transfer.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
