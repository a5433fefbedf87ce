"""`tnas quickstart`: the whole pipeline on the embedded data set, with a budget of minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from tnas_cli.commands.prepare_data import prepare_data
from tnas_cli.episodes import registry
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.recipes.adapt import adapt_dataset
from tnas_cli.recipes.from_scratch import train_eval
from tnas_cli.recipes.genotype_source import genotype_record
from tnas_cli.recipes.search import search
from tnas_cli.recipes.tasks_of import evaluation_batches
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.settings.few_shot import SearchSettings, preset
from tnas_cli.spaces.decode import decode
from tnas_cli.spaces.parameters import THETA

DATASET = "glyphs"

#: Budgets that two cores of a laptop finish in under three minutes.
SEARCH = {"tasks": 200, "validate_every": 200, "validation_tasks": 24}
ADAPTED_TASKS = 8
TRAINED_GENOTYPES = 2
TRAINING = {"tasks": 320, "validate_every": 160, "validation_tasks": 24, "test_tasks": 200}


def quickstart(
    *,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    budgets: dict[str, dict[str, int]] | None = None,
    listener: events.Listener = events.ignore,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[dict[str, Any]]:
    """Run all six steps; yields each step's result record and says one line about it.

    `budgets` may replace the settings of 'search' and 'training'.
    """
    budgets = {"search": SEARCH, "training": TRAINING} | (budgets or {})

    data = prepare_data(DATASET, root=machine.cache_root, listener=listener)
    splits = data["splits"]
    classes = ", ".join(f"{splits[split]['classes']} {split}" for split in splits)
    say(f"1 prepare-data  {DATASET}: {classes} classes of {data['size']} x {data['size']} drawings")
    yield {"event": "result", "version": 1, "command": "prepare-data", **data}

    settings = SearchSettings.from_dict(preset("search", "quick") | {"dataset": DATASET} | budgets["search"])
    found = search(settings, runs=runs, listener=listener, machine=machine)
    say(
        f"2 search        {found['tasks']} tasks in {found['wall_seconds']:.0f} s; the adapted search network reaches "
        f"{100 * found['validation_accuracy']:.1f}% on validation tasks"
    )
    yield found

    checkpoint = Path(found["checkpoint"])
    *adapted, measured = adapt_dataset(checkpoint, DATASET, tasks=ADAPTED_TASKS, listener=listener, machine=machine)
    say(
        f"3 adapt         {ADAPTED_TASKS} new tasks in {measured['wall_seconds']:.1f} s: "
        f"{100 * measured['mean']:.1f} ± {100 * measured['interval']:.1f}%"
    )
    yield measured

    genotypes = [genotype_record(decode(torch.tensor(record[THETA])), record) for record in adapted]
    distinct = {record["digest"] for record in genotypes}
    say(f"4 decode        {len(distinct)} distinct genotypes, the first has {genotypes[0]['parameters']:,} weights")
    yield {"event": "result", "version": 1, "command": "decode", "tasks": len(genotypes), "distinct": len(distinct)}

    training = settings_for(genotypes, "quick", budgets["training"])
    result = train_eval(genotypes, training, limit=TRAINED_GENOTYPES, runs=runs, listener=listener, machine=machine)
    cache = registry.ensure(DATASET, root=machine.cache_root)
    batches = evaluation_batches(
        cache, "test", training.way, training.shot, training.query, training.test_tasks, torch.device("cpu")
    )
    baseline, _ = nearest_neighbour(batches)
    say(
        f"5 train-eval    {result['genotypes_trained']} genotypes from scratch in {result['wall_seconds']:.0f} s: "
        f"{100 * result['mean']:.1f} ± {100 * result['interval']:.1f}% on {result['tasks']} test tasks "
        f"(nearest neighbour on pixels: {100 * baseline:.1f}%)"
    )
    yield {**result, "nearest_neighbour": baseline}
