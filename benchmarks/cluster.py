"""What it costs to do units of work in processes side by side, and on a Dask cluster, beside a bare loop.

    python benchmarks/cluster.py [--units 60] [--null 5000]

Writes benchmarks/cluster.md. The cluster is a scheduler and a worker per core on this machine. A unit is about a second
of training a decoded network by one thread; or nothing at all, of which there are many.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import training  # noqa: E402
from tests.scale.dask_cluster import Cluster, dask_cluster  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.runs.events import Event, Progress, ignore  # noqa: E402
from tnas_cli.runs.run_file import NAME  # noqa: E402
from tnas_cli.scale.cluster import over_cluster  # noqa: E402
from tnas_cli.scale.processes import side_by_side  # noqa: E402

Listener = Callable[[Event], None]


class Nothing:
    """A unit without work, which reports its end."""

    def __call__(self, item: int, listener: Listener) -> None:
        listener(Progress("nothing", 1, 1, "units"))


class Train:
    """So many steps of a decoded network, 28 px, 5-way 1-shot, by one thread."""

    def __init__(self, steps: int) -> None:
        self.steps, self.step = steps, None

    def __call__(self, item: int, listener: Listener) -> None:
        import torch

        if self.step is None:
            torch.set_num_threads(1)
            self.step = training(1, 28, 1, 0, 0).by_engine(FusedEngine())
        for number in range(self.steps):
            self.step()
            listener(Progress("train", number + 1, self.steps, "steps"))

    def __getstate__(self) -> dict[str, object]:
        return {"steps": self.steps, "step": None}


def unheard(item: int, event: Event) -> None:
    """Nobody listens."""


def looped(work: Callable[[int, Listener], None], items: Iterable[int]) -> float:
    """Seconds of a bare loop."""
    began = time.perf_counter()
    for item in items:
        work(item, ignore)
    return time.perf_counter() - began


def clustered(work: Callable[[int, Listener], None], count: int, cluster: Cluster, folder: Path) -> float:
    """Seconds on the cluster."""
    began = time.perf_counter()
    assert not over_cluster(cluster.address, work, iter(range(count)), folder / NAME, unheard, ignore)
    return time.perf_counter() - began


def beside(work: Callable[[int, Listener], None], count: int, processes: int) -> float:
    """Seconds in processes side by side."""
    began = time.perf_counter()
    side_by_side(work, iter(range(count)), processes, unheard)
    return time.perf_counter() - began


def main() -> None:
    """Measure and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--units", type=int, default=60)
    arguments.add_argument("--null", type=int, default=5_000)
    options = arguments.parse_args()
    cores = len(os.sched_getaffinity(0))
    one = Train(1)
    one(0, ignore)
    steps = max(1, round(1 / (looped(one, range(20)) / 20)))
    work = Train(steps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NAME).write_text("{}")
        (folder / "dask").mkdir()
        with dask_cluster(folder / "dask", cores, nanny=True) as cluster:
            clustered(Nothing(), 2 * cores, cluster, folder)
            alone = looped(work, range(options.units // 4)) / (options.units // 4)
            ideal = alone * options.units / cores
            ways = {
                f"{cores} processes side by side": beside(work, options.units, cores),
                f"Dask, {cores} workers": clustered(work, options.units, cluster, folder),
            }
            rows = [f"| {way} | {taken:.1f} | {ideal / taken:.1%} |" for way, taken in ways.items()]
            print(*rows, sep="\n", flush=True)
            nothing = beside(Nothing(), options.null, cores) / options.null
            nulls = [f"| processes | {options.null:,} | {1e3 * nothing:.2f} | |"]
            for count in (options.null // 10, options.null):
                taken = clustered(Nothing(), count, cluster, folder)
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                nulls.append(f"| Dask | {count:,} | {1e3 * taken / count:.2f} | {memory:.0f} |")
            print(*nulls, sep="\n", flush=True)
    page = f"""# Units of work in processes and on a cluster

`python benchmarks/cluster.py` writes this page, on {cores} cores. The cluster is a scheduler and {cores} workers of one
thread on the same machine.

{options.units} units of {alone:.2f} s each (steps of a decoded network by one thread, timed alone); ideal is their time
divided by {cores}. Both cores are busy then, which slows each of them on most processors, so that the share of the
ideal says what that costs, too. Starting processes and reading kernels is included.
A share above 100% says that something else slowed the units that were timed alone: compare the ways with each other.

| way | seconds | share of the ideal |
| --- | --- | --- |
{chr(10).join(rows)}

Units that do nothing, through the same code:

| way | units | ms per unit | peak memory of the client, MB |
| --- | --- | --- | --- |
{chr(10).join(nulls)}
"""
    (ROOT / "benchmarks" / "cluster.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    from benchmarks import cluster  # by the name that workers know it by

    cluster.main()
