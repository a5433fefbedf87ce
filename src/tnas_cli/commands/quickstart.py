"""`tnas quickstart`: the whole pipeline on the embedded data set, with a budget of minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tnas_cli.commands.adapt import adapt_dataset
from tnas_cli.commands.decode import summary_of
from tnas_cli.commands.prepare_data import prepare_data
from tnas_cli.commands.search import search
from tnas_cli.commands.train_eval import train_eval
from tnas_cli.episodes import registry
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.recipes.decoded import Origin, decoded_theta
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.records.kinds import Adapted, Decoded
from tnas_cli.records.other_results import DecodeResult
from tnas_cli.records.results import Result
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.settings.preset import preset
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings

DATASET = "glyphs"

#: Budgets that two cores of a laptop finish in under three minutes.
SEARCH: dict[str, Any] = {"tasks": 200, "validate_every": 200, "validation_tasks": 24}
ADAPTED_TASKS = 8
TRAINED_GENOTYPES = 3
TRAINING: dict[str, Any] = {"tasks": 320, "validate_every": 160, "validation_tasks": 24, "test_tasks": 200}

Say = Callable[[str], None]


def quickstart(
    *,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    budgets: dict[str, dict[str, Any]] | None = None,
    listener: events.Listener = events.ignore,
    say: Say = lambda text: None,
) -> Iterator[Result]:
    """Run the five steps before the report; yields each step's result and says one line about it.

    `budgets` may replace the settings of 'search' and 'training'.
    """
    budgets = {"search": SEARCH, "training": TRAINING} | (budgets or {})
    where: dict[str, Any] = {"machine": machine, "listener": listener}

    data = prepare_data(DATASET, root=machine.cache_root, listener=listener)
    classes = ", ".join(f"{facts.classes} {split}" for split, facts in data.splits.items())
    say(f"1 prepare-data  {DATASET}: {classes} classes of {data.size} x {data.size} drawings")
    yield data

    settings = SearchSettings.from_dict(preset("search", "quick") | {"dataset": DATASET} | budgets["search"])
    found = search(settings, runs=runs, **where)
    say(
        f"2 search        {found.tasks} tasks in {found.wall_seconds:.0f} s; the adapted search network reaches "
        f"{100 * found.validation_accuracy:.1f}% on validation tasks"
    )
    yield found

    tasks, measured = adapt_dataset(found.checkpoint, DATASET, tasks=ADAPTED_TASKS, **where)
    assert measured.mean is not None and measured.interval is not None
    say(
        f"3 adapt         {ADAPTED_TASKS} new tasks in {measured.wall_seconds:.1f} s: "
        f"{100 * measured.mean:.1f} ± {100 * measured.interval:.1f}%"
    )
    yield measured

    genotypes, decoded = _decoded(tasks)
    say(f"4 decode        {decoded.distinct} distinct genotypes, the first has {genotypes[0].parameters:,} weights")
    yield decoded

    training = settings_for(genotypes, "quick", budgets["training"])
    result = train_eval(genotypes, training, limit=TRAINED_GENOTYPES, runs=runs, **where)
    baseline = _nearest_neighbour(training, machine)
    # One by one: an interval for other genotypes says little of so few.
    each = ", ".join(f"{100 * one.mean:.1f}" for one in result.per_genotype or () if one.mean is not None)
    say(
        f"5 train-eval    {result.genotypes_trained} genotypes from scratch in {result.wall_seconds:.0f} s: {each}% "
        f"on {result.tasks} test tasks (nearest neighbour on pixels: {100 * baseline:.1f}%)"
    )
    yield replace(result, nearest_neighbour=baseline)


def _decoded(tasks: Sequence[Adapted]) -> tuple[list[Decoded], DecodeResult]:
    """What adapted tasks decode to."""
    thetas = [(task, torch.tensor(task.theta)) for task in tasks if task.theta is not None]
    genotypes = [decoded_theta(theta, Origin.of(task)) for task, theta in thetas]
    return genotypes, summary_of(genotypes)


def _nearest_neighbour(settings: TrainSettings, machine: Machine) -> float:
    """The accuracy of a baseline without learning on the same test tasks."""
    cache = registry.ensure(DATASET, root=machine.cache_root)
    s, cpu = settings, torch.device("cpu")
    return nearest_neighbour(evaluation_batches(cache, "test", s.way, s.shot, s.query, s.test_tasks, cpu))[0]
