"""The same training or search with several seeds: how far a result depends on the seed, and how far on the tasks."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from tnas_cli.errors import Interrupted
from tnas_cli.intervals import crossed
from tnas_cli.records.parts import Accuracy
from tnas_cli.records.results import SearchResult, TrainResult
from tnas_cli.runs.contents import RESULT
from tnas_cli.runs.files import read_json
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings


def over_seeds(
    train: Callable[[TrainSettings], TrainResult],
    settings: TrainSettings,
    count: int,
    together: Callable[[Sequence[TrainSettings]], list[TrainResult]] | None = None,
) -> TrainResult:
    """Train with `count` seeds, from the settings' own upwards, each in its own run; returns one result for all (for
    a count of 1, that of the run). together: trains all of them at the same time, where something can.

    `mean` is over the runs, and `interval` for another seed, task and, with several, genotype. `spread_over_seeds` is
    the standard deviation of the runs' means.
    """
    if count == 1:
        return train(settings)
    results = _each(train, settings, count) if together is None else together(_seeded(settings, count))
    return combined(results, lambda result, name: Path(str(result.run)) / name)


def combined(results: Sequence[TrainResult], folder: Callable[[TrainResult, str], Path]) -> TrainResult:
    """One result for those of several seeds (for one, that itself). folder: where a result's network is kept, by its
    name."""
    if len(results) == 1:
        return results[0]
    means = [result.mean for result in results]
    inductive = [result.inductive for result in results if result.inductive is not None]
    networks = _in_all(results)
    both = None if len(inductive) < len(results) else _interval(results, networks, "inductive", folder)
    return replace(
        results[0],
        runs=tuple(str(result.run) for result in results),
        seeds=tuple(result.seed for result in results),
        mean_over_seeds=statistics.fmean(means),
        spread_over_seeds=statistics.stdev(means),
        wall_seconds=sum(result.wall_seconds or 0.0 for result in results),
        mean=statistics.fmean(means),
        interval=_interval(results, networks, "accuracies", folder),
        interval_over=("genotypes", "seeds", "tasks") if len(networks) > 1 else ("seeds", "tasks"),
        inductive=None
        if both is None
        else Accuracy(mean=statistics.fmean(found.mean for found in inductive), interval=both),
        means=tuple(means),
        set_aside=tuple(each for result in results for each in result.set_aside or ()) or None,
    )


S = TypeVar("S", SearchSettings, TrainSettings)
R = TypeVar("R", SearchResult, TrainResult)


def _each(work: Callable[[S], R], settings: S, count: int) -> list[R]:
    """The result of every seed; a stop also says which seeds are finished, and which have not begun."""
    results: list[R] = []
    for seeded in _seeded(settings, count):
        seed = seeded.seed
        try:
            results.append(work(seeded))
        except Interrupted as stop:
            finished = "".join(f"; finished: {result.run}" for result in results)
            left = settings.seed + count - seed - 1
            others = f"; then the other seeds by --seed {seed + 1}" + (f" --seeds {left}" if left > 1 else "")
            raise Interrupted(stop.message, hint=stop.hint + (others if left else "") + finished) from None
    return results


def _seeded(settings: S, count: int) -> list[S]:
    """The settings with each seed."""
    return [settings.replace(seed=seed) for seed in range(settings.seed, settings.seed + count)]


def _in_all(results: Sequence[TrainResult]) -> dict[str, int]:
    """The networks that every run trained, with how many tasks decoded to each."""
    counts = [{row.digest: row.count for row in result.per_genotype or ()} for result in results]
    return {digest: number for digest, number in counts[0].items() if all(digest in other for other in counts)}


def _interval(
    results: Sequence[TrainResult],
    networks: Mapping[str, int],
    key: str,
    folder: Callable[[TrainResult, str], Path],
) -> float:
    """The half-width for these networks with their weights, from the accuracies in their folders; 1 already allows
    every share."""
    table = np.array(
        [[read_json(folder(result, name) / RESULT)[key] for result in results] for name in networks]
    )  # [networks, seeds, tasks]
    found = crossed(table, list(networks.values())) if len(table) > 1 else crossed(table[0])
    return min(1.0, found.interval)


def search_over_seeds(
    search: Callable[[SearchSettings], SearchResult],
    settings: SearchSettings,
    count: int,
    together: Callable[[Sequence[SearchSettings]], list[SearchResult]] | None = None,
) -> SearchResult:
    """Search with `count` seeds, from the settings' own upwards, each in its own run; returns one result for all (for
    a count of 1, that of the run). together: searches with all of them at the same time, where something can.

    It is the result of the run with the best accuracy on the validation tasks, the same for all runs (of equal ones,
    the earlier), with its `checkpoint`. It also holds the `runs`, `seeds`, `checkpoints` and
    `validation_accuracies` of all, and the accuracies' mean and standard deviation as `mean_over_seeds` and
    `spread_over_seeds`. `wall_seconds` and `tasks_this_time` are the sums over all runs.
    """
    if count == 1:
        return search(settings)
    results = _each(search, settings, count) if together is None else together(_seeded(settings, count))
    accuracies = [result.validation_accuracy for result in results]
    return replace(
        results[accuracies.index(max(accuracies))],
        runs=tuple(str(result.run) for result in results),
        seeds=tuple(result.seed for result in results),
        mean_over_seeds=statistics.fmean(accuracies),
        spread_over_seeds=statistics.stdev(accuracies),
        wall_seconds=sum(result.wall_seconds or 0.0 for result in results),
        checkpoints=tuple(result.checkpoint for result in results),
        validation_accuracies=tuple(accuracies),
        tasks_this_time=sum(result.tasks_this_time or 0 for result in results),
    )
