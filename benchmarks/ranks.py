"""A search by one process with all threads, beside one by as many processes as threads; and what would travel.

    python benchmarks/ranks.py [--repeats 3]

Writes benchmarks/ranks.md and benchmarks/ranks.svg. Searches what `tnas search` searches, on glyphs of 28 and 84
pixels, interleaved. The time of an exchange is measured between two processes of this machine. The figure is a model
made of both.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import matplotlib  # noqa: E402

matplotlib.use("Agg")

import torch  # noqa: E402
from matplotlib import pyplot  # noqa: E402

from benchmarks.cases import seconds  # noqa: E402
from tnas_cli.spaces.search_network import SearchNetwork  # noqa: E402

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
#: Pixels, and tasks that take about half a minute.
SIZES = {28: 320, 84: 48}
META_BATCHES = (4, 32, 256)
#: Of the network between machines, in the model.
GIGABITS = 10


def tasks_per_second(size: int, processes: int, threads: int, folder: Path) -> float:
    """The mean speed of a search after its first step, validations apart."""
    cache, tasks = folder / "cache", str(SIZES[size])
    runs = Path(tempfile.mkdtemp(dir=folder))
    words = ["search", "--dataset", str(cache / f"glyphs-drawn-{size}.h5"), "--tasks", tasks, "--validate-every", tasks]
    words += ["--validation-tasks", "2", "--engine", "fused", "--quiet", "--runs", str(runs)]
    front = [sys.executable] if processes == 1 else [*TORCHRUN, str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run([*front, "-m", "tnas_cli", *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    (log,) = runs.glob("*/events.jsonl")
    steps = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "step"]
    return float(steps[-1]["tasks/s"])


def exchange(rows: int) -> None:
    """As a member of a group: print the seconds that it takes to send the meta-parameters and to gather gradients."""
    from tnas_cli.scale.torch_group import TorchGroup

    group = TorchGroup()
    flat, table = torch.zeros(parameters()), torch.zeros(rows, parameters() + 3)

    def once() -> None:
        group.broadcast(torch.zeros(5, dtype=torch.float64))
        group.broadcast(flat)
        group.gather(table)

    for _ in range(20):
        once()

    def many() -> None:
        for _ in range(100):
            once()

    taken = seconds(many) / 100
    if group.rank == 0:
        print(taken)
    group.leave()


def exchanged(rows: int) -> float:
    """Seconds of an exchange between two processes, with so many gradients from each."""
    words = [*TORCHRUN, "2", __file__, "--exchange", str(rows)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def parameters() -> int:
    """Numbers in the meta-parameters of the search network, 5-way, gray."""
    return sum(math.prod(spec.shape) for spec in SearchNetwork(5, 1).specs().values())


def modelled(processes: int, meta_batch: int, task: float, latency: float) -> float:
    """Seconds of a step: tasks, then what one process sends to and receives from all others at `GIGABITS`."""
    computed = task * math.ceil(meta_batch / processes)
    away = meta_batch - math.ceil(meta_batch / processes)
    numbers = parameters() * (min(processes, meta_batch) - 1 + away)
    return computed + (latency * math.log2(processes) if processes > 1 else 0) + numbers * 32 / (GIGABITS * 1e9)


def draw(task: dict[int, float], latency: float) -> None:
    """The model's speed-up for each size and meta-batch."""
    counts = [2**power for power in range(9)]
    figure, axes = pyplot.subplots(1, len(task), figsize=(10, 3.6), constrained_layout=True)
    for axis, (size, seconds_of_task) in zip(axes, task.items(), strict=True):
        for meta_batch, style in zip(META_BATCHES, ("o-", "s--", "^:"), strict=True):
            alone = modelled(1, meta_batch, seconds_of_task, latency)
            gains = [alone / modelled(count, meta_batch, seconds_of_task, latency) for count in counts]
            axis.loglog(counts, gains, style, color="black", base=2, label=f"meta-batch {meta_batch}")
        axis.set(title=f"{size} px", xlabel="processes of one thread", ylabel="times as fast as one (model)")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False)
    figure.savefig(ROOT / "benchmarks" / "ranks.svg", metadata={"Date": None})


def main() -> None:
    """Measure, draw and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--exchange", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.exchange is not None:
        exchange(options.exchange)
        return
    threads = len(os.sched_getaffinity(0))
    rows, task = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            prepare = ["prepare-data", "glyphs", "--size", str(size), "--cache-dir", str(folder / "cache"), "--quiet"]
            subprocess.run([sys.executable, "-m", "tnas_cli", *prepare], check=True, stdout=subprocess.DEVNULL)
            ways = {"one": (1, threads), "shared": (threads, 1), "single": (1, 1)}
            rounds = [
                {way: tasks_per_second(size, *how, folder) for way, how in ways.items()} for _ in range(options.repeats)
            ]
            speed = {way: statistics.median(each[way] for each in rounds) for way in ways}
            gain = statistics.median(each["shared"] / each["one"] for each in rounds)
            task[size] = 1 / speed["single"]
            rows.append(
                f"| {size} px | {speed['one']:.2f} | {speed['shared']:.2f} | {gain:.2f} | {speed['single']:.2f} |"
            )
            print(rows[-1], rounds, flush=True)
    nothing, two = exchanged(1), exchanged(2)
    draw(task, nothing)
    out, back = 4 * parameters() / 1e6, 4 * (parameters() + 3) / 1e6
    page = f"""# A search by several processes

`python benchmarks/ranks.py` writes this page. A search of 5-way 1-shot with the paper's settings (meta-batch 4, M = 5),
fused engine, on {threads} cores: by one process with {threads} threads, and by {threads} processes with one thread each
that torchrun started. Tasks per second, medians of {options.repeats} interleaved repeats; the ratio is the median of
the repeats' ratios.

| images | 1 process, {threads} threads | {threads} processes, 1 thread | ratio | 1 process, 1 thread |
| --- | --- | --- | --- | --- |
{chr(10).join(rows)}

**What travels in a step.** The search network has {parameters():,} numbers. The first process sends {out:.2f} MB to
each other process, and receives {back:.2f} MB for each task that another process computed. Between two processes of
this machine (gloo, loopback) an exchange takes {1e3 * nothing:.2f} ms with one gradient from each and
{1e3 * two:.2f} ms with two.

**A model of more processes** (nothing in it was measured beyond the table and the exchange above): the slowest process
computes ceil(B / N) tasks at the speed of one thread; the first process sends and receives everything at {GIGABITS}
Gbit/s; an exchange waits {1e3 * nothing:.2f} ms for each doubling of N. With the paper's meta-batch of 4, no more than
4 processes are of use.

![Modelled speed against the number of processes, for meta-batches of 4, 32 and 256 tasks](ranks.svg)
"""
    (ROOT / "benchmarks" / "ranks.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
