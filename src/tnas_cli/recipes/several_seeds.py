"""The same training or search with several seeds: how much of a number is its luck, and how much the tasks'."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from tnas_cli.settings.few_shot import SearchSettings, TrainSettings

Record = dict[str, Any]


def over_seeds(train: Callable[[TrainSettings], Record], settings: TrainSettings, count: int) -> Record:
    """Train with `count` seeds from the settings' own on, each in a run of its own; returns one `result` for all (for
    a count of 1 that of the run).

    `mean` and `interval` are those of the accuracies on a run's test tasks, averaged over the runs: how far the tasks
    leave the number open. `spread_over_seeds` is the standard deviation of the runs' means: how far the seed does.
    """
    if count == 1:
        return train(settings)
    results = [train(settings.replace(seed=settings.seed + number)) for number in range(count)]
    means = [float(result["mean"]) for result in results]
    return results[0] | {
        **_of_all(results, means),
        "mean": statistics.fmean(means),
        "interval": statistics.fmean(float(result["interval"]) for result in results),
        "inductive": {
            part: statistics.fmean(float(result["inductive"][part]) for result in results)
            for part in ("mean", "interval")
        },
        "means": means,
    }


def search_over_seeds(search: Callable[[SearchSettings], Record], settings: SearchSettings, count: int) -> Record:
    """Search with `count` seeds from the settings' own on, each in a run of its own; returns one `result` for all (for
    a count of 1 that of the run).

    It is the result of the run that validation tasks, the same for all runs, prefer (of equal ones the earlier), with
    its `checkpoint`; beside it stand the `runs`, `seeds`, `checkpoints` and `validation_accuracies` of all, and their
    mean and standard deviation as `mean_over_seeds` and `spread_over_seeds`. `wall_seconds` and `tasks_this_time` are
    those of all runs together.
    """
    if count == 1:
        return search(settings)
    results = [search(settings.replace(seed=settings.seed + number)) for number in range(count)]
    accuracies = [float(result["validation_accuracy"]) for result in results]
    return results[accuracies.index(max(accuracies))] | {
        **_of_all(results, accuracies),
        "checkpoints": [result["checkpoint"] for result in results],
        "validation_accuracies": accuracies,
        "tasks_this_time": sum(int(result["tasks_this_time"]) for result in results),
    }


def _of_all(results: Sequence[Record], values: Sequence[float]) -> Record:
    """What stands for all runs: which they are, how their values spread, and how long they took together."""
    return {
        "runs": [result["run"] for result in results],
        "seeds": [result["seed"] for result in results],
        "mean_over_seeds": statistics.fmean(values),
        "spread_over_seeds": statistics.stdev(values),
        "wall_seconds": sum(float(result["wall_seconds"]) for result in results),
    }
