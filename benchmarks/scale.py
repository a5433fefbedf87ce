"""What it costs to do units of work in processes side by side, and on a Dask cluster, beside a bare loop.

    python benchmarks/scale.py [--units 600] [--null 100000] [--only units|null]

Writes benchmarks/scale.md, or only its part of the one kind of units. The cluster is a scheduler and a worker per core
on this machine. A unit is about a second of training a decoded network by one thread; or nothing at all, of which there
are many: about twenty minutes each on two cores that do nothing else.

The ideal is what as many bare loops at once would take, one for each core: cores that are all busy slow each other, and
that is no cost of a way. The ways take turns, in rounds, since a machine's speed changes within minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import training  # noqa: E402
from tests.scale.dask_cluster import Cluster, dask_cluster  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine  # noqa: E402
from tnas_cli.runs.events import Event, Progress, ignore  # noqa: E402
from tnas_cli.runs.run_file import NAME  # noqa: E402
from tnas_cli.scale.batch_queue import quiet_environment  # noqa: E402
from tnas_cli.scale.over_cluster import over_cluster  # noqa: E402
from tnas_cli.scale.processes import side_by_side  # noqa: E402

#: The ways take turns so often.
ROUNDS = 3
TRAINING, NOTHING = "Units of training", "Units that do nothing"

Listener = Callable[[Event], None]


class Nothing:
    """A unit without work, which reports its end."""

    def __call__(self, item: int, listener: Listener) -> None:
        listener(Progress("nothing", 1, 1, "units"))


class Train:
    """So many steps of a decoded network, 28 px, 5-way 1-shot, by one thread."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.step: Callable[[], object] | None = None

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


def loops(work: Train, count: int, processes: int) -> float:
    """Seconds of bare loops at once, one in each process, without the time that these take to start."""
    context = multiprocessing.get_context("spawn")
    ready, taken = context.Barrier(processes), context.Queue()
    shares = [len(range(first, count, processes)) for first in range(processes)]
    started = [context.Process(target=_loop, args=(work, share, ready, taken)) for share in shares]
    for process in started:
        process.start()
    slowest = max(taken.get() for _ in started)
    for process in started:
        process.join()
    return float(slowest)


def _loop(work: Train, count: int, ready: Any, taken: Any) -> None:
    work(0, ignore)
    ready.wait()
    taken.put(looped(work, range(count)))


def of_training(count: int, cores: int, cluster: Cluster, folder: Path) -> str:
    """The page's part on units of training."""
    one = Train(1)
    one(0, ignore)
    alone = looped(one, range(20)) / 20
    work, each = Train(max(1, round(1 / alone))), count // ROUNDS
    ways: dict[str, Callable[[], float]] = {
        f"{cores} bare loops": lambda: loops(work, each, cores),
        f"{cores} processes side by side": lambda: beside(work, each, cores),
        f"Dask, {cores} workers": lambda: clustered(work, each, cluster, folder),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(ROUNDS):
        names = list(ways)
        for way in names[number % len(names) :] + names[: number % len(names)]:
            taken[way].append(ways[way]())
            print(f"{way}: {taken[way][-1]:.1f} s", flush=True)
    ideal, *_ = taken.values()
    rows = [
        f"| {way} | {'  '.join(f'{seconds:.1f}' for seconds in found)} | "
        f"{statistics.median(best / seconds for best, seconds in zip(ideal, found, strict=True)):.1%} |"
        for way, found in taken.items()
    ]
    return f"""## {TRAINING}

{ROUNDS} rounds of {each} units; a unit is {work.steps} steps of a decoded network by one thread, which take
{work.steps * alone:.2f} s where the other cores are idle. Starting processes and reading kernels is included, except in
the bare loops. The share of the ideal is the median of the rounds' shares.

| way | seconds of the rounds | share of the ideal |
| --- | --- | --- |
{chr(10).join(rows)}
"""


def of_nothing(count: int, cores: int, cluster: Cluster, folder: Path) -> str:
    """The page's part on units that do nothing."""
    bare = looped(Nothing(), range(100_000)) / 100_000
    processes = beside(Nothing(), count, cores) / count
    print(f"processes: {1e3 * processes:.2f} ms per unit", flush=True)
    tenths = Tenths(count)
    dask = clustered(Nothing(), count, cluster, folder, tenths) / count
    return f"""## {NOTHING}

{count:,} units that do nothing but report it, through the same code:

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


def main() -> None:
    """Measure and write."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--units", type=int, default=600)
    arguments.add_argument("--null", type=int, default=100_000)
    arguments.add_argument("--only", choices=("units", "null"))
    arguments.add_argument("--page", type=Path, default=ROOT / "benchmarks" / "scale.md")
    options = arguments.parse_args()
    cores = len(os.sched_getaffinity(0))
    page = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
    earlier = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in page.split("\n## ")[1:]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / NAME).write_text("{}")
        (folder / "dask").mkdir()
        with dask_cluster(folder / "dask", cores, nanny=True, environment=quiet_environment()) as cluster:
            clustered(Nothing(), 2 * cores, cluster, folder)
            if options.only != "null":
                earlier[TRAINING] = of_training(options.units, cores, cluster, folder)
            if options.only != "units":
                earlier[NOTHING] = of_nothing(options.null, cores, cluster, folder)
    head = f"""# Units of work in processes and on a cluster

`python benchmarks/scale.py` writes this page, here on {cores} cores; `--units` and `--null` say how many units of each
kind. The cluster is a scheduler and {cores} workers of one thread on the same machine, with the settings that
[docs/cluster.md](../docs/cluster.md#many-trainings-a-dask-cluster) recommends.
"""
    parts = [earlier[title] for title in (TRAINING, NOTHING) if title in earlier]
    options.page.write_text("\n".join([head, *parts]), encoding="utf-8")


if __name__ == "__main__":
    from benchmarks import scale  # by the name that workers know it by

    scale.main()
