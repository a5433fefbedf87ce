"""What a meta-step costs by Equations 5 and 6 beside Equations 7 and 8 (Section 4.3 of the paper): time and memory.

    python benchmarks/equations.py [--sides 28 84] [--repeats 5] [--output benchmarks/equations.md]

Every way computes the same tasks in turn, interleaved, in one process, and ratios are taken within each turn. Peak
memory is measured first, in a separate process for each way. A way that does not fit into the machine's memory is not
timed, and the page says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import QUERY, WAY, Case, search, seconds  # noqa: E402
from benchmarks.memory import available, give_way, high_water, resident  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine, instruction_set  # noqa: E402
from tnas_cli.engines.interface import Engine, InnerRule  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402
from tnas_cli.spaces.search_network import SearchNetwork  # noqa: E402

#: "Such modifications save more than half of the search time and memory while maintaining comparable performance."
CLAIM = 0.5

#: For a step shorter than this, in seconds, the best of three counts: other work disturbs a whole call or none of it.
SHORT = 0.8

#: A way is timed only up to this share of the memory that is free at the start, because one process holds several ways.
FITS = 0.6


OVER = "over 7 and 8, torch"
COLUMNS = ("equations, engine", "ms per step", OVER, "peak, GB", OVER, "added by steps, GB", OVER)


@dataclass(frozen=True)
class Way:
    """Which inner step (Equation 5 alternating, 7 simultaneous), which outer gradient (Equation 6 exact, 8 at the
    adapted point), and by which engine."""

    engine: str
    alternating: bool
    second_order: bool

    @property
    def name(self) -> str:
        """'5 and 6, torch'."""
        return f"{5 if self.alternating else 7} and {6 if self.second_order else 8}, {self.engine}"

    def step(self, case: Case) -> Callable[[], object]:
        """The meta-gradient of the case's tasks."""
        engine: Engine = FusedEngine() if self.engine == "fused" else TorchEngine()
        parameters, support, query = case.inputs()
        rule = InnerRule(case.rule.alpha, case.rule.beta, case.rule.steps, self.alternating)

        def step() -> object:
            return engine.meta_gradient(case.network, parameters, support, query, rule, second_order=self.second_order)

        return step


PAPERS_FIRST = Way("torch", alternating=True, second_order=True)
PAPERS_SECOND = Way("torch", alternating=False, second_order=False)
AS_USED = Way("fused", alternating=False, second_order=False)
WAYS = (
    PAPERS_FIRST,
    Way("torch", alternating=False, second_order=True),
    Way("torch", alternating=True, second_order=False),
    PAPERS_SECOND,
    Way("fused", alternating=True, second_order=False),
    AS_USED,
)


@dataclass(frozen=True)
class Memory:
    """Peak memory of a process in bytes, in total and above its memory before the first step."""

    peak: int
    added: int


@dataclass(frozen=True)
class Row:
    """One way at one size: its median seconds, the median ratio of its time to the reference's, and its memory."""

    way: Way
    seconds: float | None
    ratio: float | None
    memory: Memory | None


def case_of(options: argparse.Namespace, side: int) -> Case:
    """A search step at this size: one channel up to 28 pixels, as Omniglot, else three, as mini-ImageNet."""
    in_channels = 1 if side <= 28 else 3
    network = SearchNetwork(WAY, in_channels, options.channels)
    base = search(in_channels, side, 1, 0, 0)
    return Case(base.name, network, base.plain, in_channels, side, 1, options.tasks, options.steps)


def memory_of(options: argparse.Namespace, side: int, way: Way) -> Memory | None:
    """Peak memory of a separate process that computes two steps; None if it was killed or failed."""
    sizes = [f"--{name}={getattr(options, name)}" for name in ("tasks", "steps", "channels", "threads")]
    command = [sys.executable, __file__, "--sides", str(side), *sizes, "--memory-of", way.name]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(f"{way.name} at {side} px: no memory measured, exit {ran.returncode} {ran.stderr[-300:]}", flush=True)
        return None
    return Memory(**json.loads(ran.stdout.splitlines()[-1]))


def report_memory(options: argparse.Namespace) -> None:
    """What the process for one way prints."""
    (way,) = (way for way in WAYS if way.name == options.memory_of)
    give_way()
    step = way.step(case_of(options, options.sides[0]))
    before = resident()
    for _ in range(2):
        step()
    peak = high_water()
    print(json.dumps({"peak": peak, "added": peak - before}))


def undisturbed(step: Callable[[], object]) -> float:
    """Seconds of one call; for a short call, the best of three."""
    first = seconds(step)
    return first if first > SHORT else min(first, seconds(step), seconds(step))


def measure(options: argparse.Namespace, side: int) -> list[Row]:
    """All ways at one size: the memory of each, then the times in turn of those that fit, after one call of each."""
    case = case_of(options, side)
    room = available()
    memories = {way: memory_of(options, side, way) for way in WAYS}
    timed = [way for way, found in memories.items() if found is not None and found.peak <= FITS * room]
    steps = {way: way.step(case) for way in timed}
    for step in steps.values():
        step()
    turns = []
    for _ in range(options.repeats):
        turns.append({way: undisturbed(step) for way, step in steps.items()})
        print(f"{side} px: " + ", ".join(f"{way.name} {1e3 * t:,.0f} ms" for way, t in turns[-1].items()), flush=True)
    rows = []
    for way in WAYS:
        times = [turn[way] for turn in turns if way in turn]
        ratios = [turn[way] / turn[PAPERS_SECOND] for turn in turns if way in turn and PAPERS_SECOND in turn]
        middle, ratio = (statistics.median(values) if values else None for values in (times, ratios))
        rows.append(Row(way, middle, ratio, memories[way]))
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown rows: time, memory, and the ratios of both to those of Equations 7 and 8 in the torch engine."""
    (reference,) = (row.memory for row in rows if row.way == PAPERS_SECOND)
    lines = []
    for row in rows:
        time = "not timed: too large" if row.seconds is None else f"{1e3 * row.seconds:,.0f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        memory = added = over = over_added = ""
        if row.memory is not None:
            memory, added = f"{row.memory.peak / 1e9:.2f}", f"{row.memory.added / 1e9:.2f}"
            if reference is not None:
                over = f"{row.memory.peak / reference.peak:.2f}"
                over_added = f"{row.memory.added / max(reference.added, 1):.2f}"
        lines.append(f"| {row.way.name} | {time} | {ratio} | {memory} | {over} | {added} | {over_added} |")
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> str:
    """The measured savings of Equations 7 and 8 over Equations 5 and 6, beside the claim."""
    named = {row.way: row for row in rows}
    first, second = named[PAPERS_FIRST], named[PAPERS_SECOND]
    parts = []
    if first.ratio is not None:
        parts.append(f"{_saved(1 - 1 / first.ratio)} of the time")
    if first.memory is not None and second.memory is not None:
        parts.append(f"{_saved(1 - second.memory.peak / first.memory.peak)} of the process's peak memory")
        parts.append(f"{_saved(1 - second.memory.added / first.memory.added)} of the memory that the steps add")
    return ", ".join(parts) or "nothing could be compared: Equations 5 and 6 did not fit"


def _saved(share: float) -> str:
    return f"{share:.0%} ({'more' if share > CLAIM else 'not more'} than half)"


def page(options: argparse.Namespace, found: dict[int, list[Row]]) -> str:
    """The whole page."""
    about = environment(torch.device("cpu")).to_json()
    parts = [
        f"""# What Equations 5 and 6 cost beside Equations 7 and 8

`make equations` writes this page: the outer gradient of a meta-batch ({options.tasks} tasks, {WAY}-way 1-shot,
{QUERY} query images per class, M = {options.steps}, {options.channels} channels, float32). Times are
medians of {options.repeats} interleaved repeats; ratios are taken within each repeat. Adam's step, the same for all, is
left out. The paper's Section 4.3 says of replacing Equations 5 and 6 by 7 and 8: "Such modifications save more than
half of the search time and memory while maintaining comparable performance."

* **5 and 6**: w and theta move in turn, with two backward passes for each inner step; the outer gradient is exact,
  through all steps (`--alternating --order second`). **7 and 8**: both move in one backward pass; the outer gradient is
  the one at the adapted point (the default). **7 and 6**, **5 and 8**: only one of the two changes.
* **torch** and **fused**: the two engines ([docs/engine.md](../docs/engine.md)); the fused engine computes only first
  order, and a search uses it by default.
* **Memory**: the peak of a separate process for each row, in total and above its memory before the first step.
"""
    ]
    for side, rows in found.items():
        parts.append(
            f"""## {side} px

| {" | ".join(COLUMNS)} |
|{" --- |" * len(COLUMNS)}
{table(rows)}

Equations 7 and 8 save, in the torch engine: {verdict(rows)}.
"""
        )
    parts.append(
        f"""Machine: {about["processor"]}, {about["cores"]} cores, {about["threads"]} threads, {instruction_set()};
{platform.system()}; Python {about["python"]}, torch {about["torch"]}, tnas {about["package_version"]}.

Whether accuracy is comparable: `python benchmarks/equations_accuracy.py`.
"""
    )
    return "\n".join(parts)


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sides", type=int, nargs="+", default=[28, 84])
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--tasks", type=int, default=4)
    arguments.add_argument("--steps", type=int, default=5)
    arguments.add_argument("--channels", type=int, default=16)
    arguments.add_argument("--threads", type=int, default=0, help="0: all cores")
    arguments.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "equations.md")
    arguments.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory_of:
        report_memory(options)
        return
    for side in options.sides:  # Compiled beforehand, because compiling takes memory too.
        FusedEngine().prepare(case_of(options, side).network, side, (WAY, WAY * QUERY))
    found = {}
    for side in options.sides:
        found[side] = measure(options, side)
        print(f"{side} px: Equations 7 and 8 save {verdict(found[side])}; claimed: more than half", flush=True)
    options.output.write_text(page(options, found), encoding="utf-8")


if __name__ == "__main__":
    main()
