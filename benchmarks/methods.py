"""Measure the outer step of every method, by both engines in turn.

    python benchmarks/methods.py [--repeats 7] [--output benchmarks/methods.md]

4 tasks of glyphs, 5-way 1-shot, 28 x 28 pixels, in the method's own settings: a search network, 4CONV, or the method's
own network. Writes benchmarks/methods.md.
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

from benchmarks.cases import seconds  # noqa: E402
from tnas_cli.engines.choose import why_not_fused  # noqa: E402
from tnas_cli.engines.fused_engine import FusedEngine, instruction_set  # noqa: E402
from tnas_cli.engines.interface import Engine, Network  # noqa: E402
from tnas_cli.engines.torch_engine import TorchEngine  # noqa: E402
from tnas_cli.episodes import registry  # noqa: E402
from tnas_cli.errors import SettingsError  # noqa: E402
from tnas_cli.methods.registry import method, search_methods, training_methods  # noqa: E402
from tnas_cli.methods.t_nas import search_network  # noqa: E402
from tnas_cli.recipes.data import smallest_class  # noqa: E402
from tnas_cli.recipes.search_settings import search_settings  # noqa: E402
from tnas_cli.recipes.train_settings import settings_for  # noqa: E402
from tnas_cli.recipes.trainable import Trainable, read_trainables  # noqa: E402
from tnas_cli.runs.device import environment  # noqa: E402
from tnas_cli.settings.search import SearchSettings  # noqa: E402
from tnas_cli.settings.train import TrainSettings  # noqa: E402

CPU, TASKS = torch.device("cpu"), 4
#: Query images of a class; Auto-MAML divides the 20 images, so that its tasks have 9.
QUERY = 15
#: What is named on the command line: the first that a method takes. Some put a network of their own in its place.
NETWORKS = ("4conv", "resnet12-16", "resnet12-mtl-16")


def steps(name: str, engines: tuple[Engine, Engine]) -> tuple[str, list[Callable[[], object]]]:
    """The network of a method, and its outer step by each engine that can compute it, PyTorch first."""
    about = method(name).about
    if about.searches:
        return "search network", steps_of(name, None, engines)
    for network in NETWORKS:
        try:
            return about.network or network, steps_of(name, network, engines)
        except SettingsError as error:
            refused = error
    raise refused


def steps_of(name: str, network_name: str | None, engines: tuple[Engine, Engine]) -> list[Callable[[], object]]:
    """Those of a method and a network, or the search network; raises SettingsError if the method does not take it."""
    found, cache = method(name), registry.ensure("glyphs")
    query = min(QUERY, found.stream.images_of_class(smallest_class(cache, "train")) - 1)
    asked = {"method": name, "dataset": "glyphs", "query": query}
    settings: SearchSettings | TrainSettings
    network: Network
    if network_name is None:
        settings = search_settings("paper", asked)
        network = search_network(settings, cache.channels)
    else:
        records = read_trainables(network_name)
        settings = settings_for(records, "paper", asked)
        network = Trainable.of(records[0]).build(settings, cache.channels, cache.size)
    tasks = found.tasks(cache, settings, CPU)
    state = found.start(network, settings, CPU, classes=tasks.classes)
    batch = tasks.train(0, TASKS)
    fused = found.by_engine and why_not_fused(network, CPU, second_order=settings.order == "second") is None
    learners = [found.learner(engine, network, settings) for engine in engines[: 1 + fused]]
    return [partial(learner.meta_gradient, state.parameters, batch, 0.5) for learner in learners]


def measure(name: str, engines: tuple[Engine, Engine], repeats: int) -> str:
    """A row of the table."""
    network, ways = steps(name, engines)
    for way in ways:
        way()
    columns = zip(*[[seconds(way) for way in ways] for _ in range(repeats)], strict=True)
    rates = [TASKS / statistics.median(column) for column in columns]
    fused = f"{rates[1]:.3g} | {rates[1] / rates[0]:.1f}" if len(rates) > 1 else " | "
    return f"| `{name}` | {network} | {rates[0]:.3g} | {fused} |"


def main() -> None:
    """Measure and write the page."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "methods.md")
    options = arguments.parse_args()
    engines = TorchEngine(), FusedEngine()
    rows = []
    for name in (*search_methods(), *training_methods()):
        rows.append(measure(name, engines, options.repeats))
        print(rows[-1], flush=True)
    machine = environment(CPU)
    text = f"""# The outer step of every method

Written by `python benchmarks/methods.py`: training tasks per second of the outer step, {TASKS} tasks of glyphs, 5-way
1-shot, 28 x 28 pixels, both engines in turn, medians of {options.repeats}. Empty cells: only PyTorch computes the
method, or its default, second order. Auto-MAML's tasks have 9 query images per class, those of the others {QUERY}. On
{machine.processor}, {machine.threads} threads, {instruction_set()}.

| method | network | PyTorch | fused | times as fast |
| --- | --- | --- | --- | --- |
"""
    options.output.write_text(text + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
