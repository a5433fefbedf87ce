"""What it costs to do units of work in processes side by side, and on a Dask cluster, beside a bare loop.

    python benchmarks/scale.py [--units 600] [--null 100000]

Writes benchmarks/scale.md. The cluster is a scheduler and a worker per core on this machine. A unit is about a second
of training a decoded network by one thread; or nothing at all, of which there are many: about a quarter of an hour each
on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import training  # noqa: E402
from tests.scale.dask_cluster import Cluster, dask_cluster  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.runs.events import Event, Progress, ignore  # noqa: E402
from tnas_cli.runs.run_file import NAME  # noqa: E402
from tnas_cli.scale.over_cluster import over_cluster  # noqa: E402
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


def beside(work: Callable[[int, Listener], None], count: int, processes: int) -> float:
    """Seconds in processes side by side."""
    began = time.perf_counter()
    side_by_side(work, iter(range(count)), processes, unheard)
    return time.perf_counter() - began


def clustered(
    work: Callable[[int, Listener], None],
    count: int,
    cluster: Cluster,
    folder: Path,
    heard: Callable[[int, Event], None] = unheard,
) -> float:
    """Seconds on the cluster."""
    began = time.perf_counter()
    assert not over_cluster(cluster.address, work, iter(range(count)), folder / NAME, heard, ignore)
    return time.perf_counter() - began


def megabytes() -> float:
    """The memory of this process now."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


@dataclass
class Tenths:
    """The client's memory, the events and the time of each tenth of so many units."""

    count: int
    events: int = 0
    done: int = 0
    began: float = field(default_factory=time.perf_counter)
    rows: list[str] = field(default_factory=list)

    def __call__(self, item: int, event: Event) -> None:
        self.events += 1
        self.done += isinstance(event, Progress)
        if self.done < self.count // 10:
            return
        now = time.perf_counter()
        taken = 1e3 * (now - self.began) / self.done
        self.rows.append(f"| {len(self.rows) + 1} | {taken:.2f} | {self.events:,} | {megabytes():.0f} |")
        print(self.rows[-1], flush=True)
        self.began, self.done, self.events = now, 0, 0


def main() -> None:
    """Measure and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--units", type=int, default=600)
    arguments.add_argument("--null", type=int, default=100_000)
    arguments.add_argument("--page", type=Path, default=ROOT / "benchmarks" / "scale.md")
    options = arguments.parse_args()
    cores = len(os.sched_getaffinity(0))
    one = Train(1)
    one(0, ignore)
    work = Train(max(1, round(1 / (looped(one, range(20)) / 20))))
    bare = looped(Nothing(), range(100_000)) / 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NAME).write_text("{}")
        (folder / "dask").mkdir()
        with dask_cluster(folder / "dask", cores, nanny=True) as cluster:
            clustered(Nothing(), 2 * cores, cluster, folder)
            alone = looped(work, range(min(60, options.units))) / min(60, options.units)
            ideal = alone * options.units / cores
            ways = {
                f"{cores} processes side by side": beside(work, options.units, cores),
                f"Dask, {cores} workers": clustered(work, options.units, cluster, folder),
            }
            rows = [f"| {way} | {taken:.1f} | {ideal / taken:.1%} |" for way, taken in ways.items()]
            print(*rows, sep="\n", flush=True)
            processes = beside(Nothing(), options.null, cores) / options.null
            print(f"processes: {1e3 * processes:.2f} ms per unit", flush=True)
            tenths = Tenths(options.null)
            dask = clustered(Nothing(), options.null, cluster, folder, tenths) / options.null
    page = f"""# Units of work in processes and on a cluster

`python benchmarks/scale.py --units {options.units} --null {options.null}` writes this page, on {cores} cores. The
cluster is a scheduler and {cores} workers of one thread on the same machine.

{options.units} units of {alone:.2f} s each (steps of a decoded network by one thread, timed alone); ideal is their time
divided by {cores}. All cores are busy then, which slows each of them on most processors, so that the share of the ideal
says what that costs, too. Starting processes and reading kernels is included. A share above 100% says that something
else slowed the units that were timed alone: compare the ways with each other.

| way | seconds | share of the ideal |
| --- | --- | --- |
{chr(10).join(rows)}

{options.null:,} units that do nothing but report it, through the same code:

| way | ms per unit |
| --- | --- |
| a bare loop | {1e3 * bare:.4f} |
| {cores} processes side by side | {1e3 * processes:.2f} |
| Dask, {cores} workers | {1e3 * dask:.2f} |

The same on Dask, in tenths: time, events that reached the client, and its memory after each.

| tenth | ms per unit | events | memory of the client, MB |
| --- | --- | --- | --- |
{chr(10).join(tenths.rows)}
"""
    options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    from benchmarks import scale  # by the name that workers know it by

    scale.main()
