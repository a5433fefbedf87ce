"""How much faster a single task is by all cores than by one: the adaptation to a user's folder, and answers.

    python benchmarks/one_task.py [--rounds 15]

Writes benchmarks/one_task.md. Both engines take turns; a line has the median of the ratios, round by round. What sets a
limit to inner steps: five images are three and two for two threads, 25 are 13 and 12.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tnas_cli.__main__ import let_threads_sleep  # noqa: E402

let_threads_sleep()

from benchmarks.cases import Case, adaptation, search, seconds, training  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine, instruction_set  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402

PAGE = Path(__file__).with_suffix(".md")

#: Query images that one call answers.
MANY = 600

Step = Callable[[FusedEngine], object]


def alone(case: Case) -> tuple[Step, Step, Step]:
    """The inner steps of one task; with them, the answers for its query images; and the answers for many images."""
    parameters, support, query = case.inputs()
    one, queried = (support[0][:1], support[1][:1]), query[0][:1]
    own, rule = {name: tensor[None] for name, tensor in parameters.items()}, case.rule
    many = torch.rand(1, MANY, *queried.shape[2:])

    def adapt(engine: FusedEngine) -> object:
        return engine.adapt(case.network, parameters, one, rule)

    def adapt_and_answer(engine: FusedEngine) -> object:
        return engine.predict(case.network, engine.adapt(case.network, parameters, one, rule).parameters, queried)

    return adapt, adapt_and_answer, lambda engine: engine.predict(case.network, own, many)


def cases() -> list[tuple[str, Case]]:
    """Networks with their images."""
    return [
        ("search network, 28 px, 1-shot", adaptation(1)),
        ("search network, 28 px, 5-shot", search(1, 28, 5, 0, 0)),
        ("search network, 84 px, 1-shot", search(3, 84, 1, 0, 0)),
        ("decoded network, 28 px, 1-shot", training(1, 28, 1, 0, 0)),
        ("decoded network, 84 px, 1-shot", training(3, 84, 1, 0, 0)),
    ]


def measured(step: Step, engines: tuple[FusedEngine, FusedEngine], rounds: int) -> tuple[float, float, float]:
    """Median seconds by one thread and by all, and the median of their ratios."""
    for engine in engines:
        step(engine)
    pairs = []
    for _ in range(rounds):
        one, every = (min(seconds(partial(step, engine)) for _ in range(3)) for engine in engines)
        pairs.append((one, every))
    by_one, by_every = zip(*pairs, strict=True)
    return statistics.median(by_one), statistics.median(by_every), statistics.median(a / b for a, b in pairs)


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=15)
    options = arguments.parse_args()
    engines = FusedEngine(threads=1), FusedEngine()
    lines = []
    for name, case in cases():
        for what, step in zip(("inner steps", "with 75 answers", f"{MANY} answers"), alone(case), strict=True):
            one, every, ratio = measured(step, engines, options.rounds)
            lines.append(f"| {name} | {what} | {1e3 * one:,.1f} | {1e3 * every:,.1f} | {ratio:.2f} |")
            print(lines[-1], flush=True)
    about = environment(torch.device("cpu")).to_json()
    table = "\n".join(lines)
    PAGE.write_text(f"""# A single task by several threads

`python benchmarks/one_task.py` writes this page: medians of {options.rounds} rounds, in which both engines take turns.
5-way, M = 5, first order, float32. "Inner steps" is what `tnas adapt` computes for one folder; "with 75 answers" adds a
pass of 15 query images per class. Times are in ms. Of the five images of 1-shot, two threads have three and two: inner
steps at most 1.67 times as fast; of 25, 13 and 12: 1.92.

| network | what | 1 thread | {engines[1].threads} threads | times as fast |
| --- | --- | --- | --- | --- |
{table}

Machine: {about["processor"]}, {instruction_set()}; torch {about["torch"]}, tnas {about["package_version"]}.
""")


if __name__ == "__main__":
    main()
