"""Measure side by side, interleaved, in one process, and write benchmarks/README.md.

    python benchmarks/run.py [--repeats 5] [--output benchmarks/README.md]

Every row computes the same tasks in turn by the plain per-task loop of tests/oracle.py, by the torch engine, by the
fused engine and by that of version 0.1.0, and takes medians. Before each turn it measures the rate of a large matrix
product, which gives the floor. A processor with AVX-512 is measured twice, the second time as if it had AVX2 only; each
time is a process of its own, because libraries look once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numba
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import CASES, QUERY, STEPS, WAY, Case, matrix_rate, seconds  # noqa: E402
from benchmarks.previous import Previous  # noqa: E402
from tnas_cli.engines.fused.machine import features  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine, instruction_set  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.episodes import registry  # noqa: E402
from tnas_cli.episodes.tasks import load_batch, sample_indices  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402

COLUMNS = (
    *("step", "plain loop", "torch", "fused", "fused over torch", "fused over plain loop", "share of the floor"),
    *("floor, GFLOP/s", "0.1.0 over fused"),
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"

#: Seconds up to which a call counts as short: other work on the machine then disturbs the whole call or none of it.
SHORT = 0.8


@dataclass(frozen=True)
class Measured:
    """Median seconds of a step, the share of the floor that the fused engine reaches, and how many times as long the
    fused engine of the previous release takes: the median of the ratios, pair by pair."""

    name: str
    plain: float
    torch: float
    fused: float
    rate: float
    previous: float

    def row(self) -> str:
        """A line of the table, with targets in brackets."""
        case = next(case for case in CASES if case.name == self.name)
        share = case.flops() / self.rate / self.fused
        return (
            f"| {self.name} | {1e3 * self.plain:,.0f} | {1e3 * self.torch:,.0f} | {1e3 * self.fused:,.0f} | "
            f"{self.torch / self.fused:.1f} | {self.plain / self.fused:.1f} ({case.times:g}) | "
            f"{share:.0%} ({case.share:.0%}) | {self.rate / 1e9:.0f} | {self.previous:.2f} |"
        )


#: The option of a process that measures the rows for one instruction set.
ROWS = "--rows"

#: Variables by which Numba, PyTorch and the libraries below it take a processor for one with AVX2 only.
AS_AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+sse2,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}


def undisturbed(way: Callable[[], object]) -> float:
    """Seconds of one call; for a short call, the best of three (the matrix product takes the best of five)."""
    first = seconds(way)
    return first if first > SHORT else min(first, seconds(way), seconds(way))


def measure(
    case: Case, torch_engine: TorchEngine, fused_engine: FusedEngine, previous: Previous, repeats: int
) -> Measured:
    """All ways in turn, after a first call of each engine that is not counted."""
    ways = [case.by_plain_loop(), case.by_engine(torch_engine), case.by_engine(fused_engine)]
    for way in ways[1:]:
        way()
    previous.seconds(case.name)
    rates, times, ratios = [], [], []
    for _ in range(repeats):
        rates.append(matrix_rate())
        times.append([undisturbed(way) for way in ways])
        ratios.append(previous.seconds(case.name) / times[-1][-1])
    plain, plain_torch, fused = (statistics.median(column) for column in zip(*times, strict=True))
    return Measured(case.name, plain, plain_torch, fused, statistics.median(rates), statistics.median(ratios))


def print_rows(repeats: int) -> None:
    """Measure all rows for this process's instruction set: each is a JSON object on stdout, for people on stderr."""
    engines = TorchEngine(), FusedEngine()
    with Previous(ROOT) as previous:
        for case in CASES:
            found = measure(case, *engines, previous, repeats)
            print(json.dumps(asdict(found)), flush=True)
            print(found.row(), file=sys.stderr, flush=True)


def rows(repeats: int, variables: Mapping[str, str]) -> list[Measured]:
    """The rows, measured by a process with these variables."""
    words = [sys.executable, __file__, ROWS, "--repeats", str(repeats)]
    ran = subprocess.run(words, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True)
    return [Measured(**json.loads(line)) for line in ran.stdout.splitlines()]


def of_note() -> str:
    """Those features of the processor that decide which kernels are compiled."""
    return ", ".join(name[1:] for name in features().split(",") if name[:4] in ("+avx", "+fma", "+sve", "+neo"))


#: A few search steps at 84 px with the fused engine.
SEARCH_STEPS = (
    "import benchmarks.cases as c\n"
    "from tnas_cli.engines.fused_engine import FusedEngine\n"
    "step = c.search(3, 84, 1, 0, 0).by_engine(FusedEngine())\n"
    "for _ in range(3): step()\n"
)


def peak_memory(program: str) -> float:
    """Peak memory in GB of a process of its own that runs a program.

    Linux only: read from /proc, because what `resource` says of a child begins with its parent's peak.
    """
    program += "\nprint([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])\n"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(ran.stdout) * 1024 / 1e9


def reading() -> float:
    """Seconds to read and normalise one meta-batch of tasks from the prepared glyphs, median of 50."""
    cache = registry.ensure("glyphs")

    def read(first: int) -> None:
        indices = [sample_indices(cache, "train", WAY, 1, QUERY, 0, first + i) for i in range(4)]
        load_batch(cache, np.stack(indices), 1)

    return statistics.median(seconds(partial(read, first)) for first in range(0, 200, 4))


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "README.md")
    arguments.add_argument(ROWS, action="store_true", help="measure one instruction set and print JSON lines")
    options = arguments.parse_args()
    if options.rows:
        print_rows(options.repeats)
        return

    found = {instruction_set(): rows(options.repeats, {})}
    if "AVX-512" in found:
        found["AVX2"] = rows(options.repeats, AS_AVX2)
    tables = [f"**{name}**\n\n{HEADER}\n" + "\n".join(row.row() for row in table) for name, table in found.items()]
    newline, first = "\n", next(iter(found.values()))[0]
    memory, bare, read = peak_memory(SEARCH_STEPS), peak_memory("import torch"), reading()
    about = environment(torch.device("cpu")).to_json()
    page = f"""# Benchmarks

`make bench` writes this page: medians of {options.repeats} repeats, interleaved, in one process for each instruction
set (a processor with AVX-512 is also measured as if it had AVX2 only). Meta-batch of 4 tasks,
{WAY}-way, {QUERY} query images per class, M = {STEPS}, float32, first order.

* **Plain loop**: `tests/oracle.py`: ordinary convolutions, one task, edge and operation after the other, one query pass
  per task. At 84 px it runs on one thread, because two threads stall each other there and are slower.
* **torch** and **fused**: the two engines ([docs/engine.md](../docs/engine.md)).
* **Floor**: the time for the step's arithmetic (convolutions and matrix products; a backward pass counts as two forward
  passes) at the rate of a 1,536 x 1,536 matrix product, measured between the repeats of that row.
* **0.1.0 over fused**: the fused engine of version 0.1.0, from its own sources, in a process beside this one, which
  waits meanwhile: the median of the ratios, pair by pair.

Times are in ms. If a call takes less than {SHORT} s, the best of three counts; the product's rate is the best of five.
Targets are in brackets.

{(2 * newline).join(tables)}

Peak memory of a process that computes search steps at 84 px, 4 tasks: {memory:.2f} GB (target: under 1.6), of which
`import torch` takes {bare:.2f}.

Reading and normalising a meta-batch from the cache takes {1e3 * read:.1f} ms, {read / first.fused:.1%} of the first
row's step.

Machine: {about["processor"]}, {about["cores"]} cores, {about["threads"]} threads, {instruction_set()}
({of_note()});
{platform.system()}; Python {about["python"]}, torch {about["torch"]}, Numba {numba.__version__},
tnas {about["package_version"]}.

Other measurements:

| what | page | command |
| --- | --- | --- |
| a single task by several threads | [one_task.md](one_task.md) | `python benchmarks/one_task.py` |
| how cost grows with way, shot, tasks, steps and image size | [growth.md](growth.md) | `make growth` |
| where the time of a real search goes | [search_profile.md](search_profile.md) | `make profile` |
| the cost of preparing and reading data | [data.md](data.md) | `make bench-data` |
| the cost of Equations 5 and 6, which 7 and 8 replace | [equations.md](equations.md) | `make equations` |
| time and memory of a command before its work begins | [startup.md](startup.md) | `python benchmarks/startup.py` |
| the outer step of every method, both engines | [methods.md](methods.md) | `python benchmarks/methods.py` |
| answers of a kept model, beside plain PyTorch | [predict.md](predict.md) | `python benchmarks/predict.py` |
| a step by the support's moments | [statistics.md](statistics.md) | `python benchmarks/statistics_cost.py` |
| training on one data set by PyTorch, in two layouts | [transfer.md](transfer.md) | `python benchmarks/transfer.py` |
| the torch engine on a GPU, beside that GPU's floor | | `python benchmarks/device.py` |
| a search by several processes (torchrun), and a model of many | [ranks.md](ranks.md) | `python benchmarks/ranks.py` |
| units of work in processes and on a Dask cluster, many of them | [scale.md](scale.md) | `python benchmarks/scale.py` |
| genotypes trained side by side | | `python benchmarks/side_by_side.py` |
| how often intervals over genotypes and tasks hold the truth | [intervals](../docs/intervals.md) | \
`python benchmarks/interval_coverage.py` |
| processor time of the live view | | `python benchmarks/live_view.py` |
| a search beside another program that is busy on one core | | `python benchmarks/neighbour.py` |
| remedies against the collapse of Auto-MAML's search | | `python benchmarks/collapse.py FOLDER` |
"""
    options.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
