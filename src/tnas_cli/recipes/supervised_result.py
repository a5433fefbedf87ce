"""The measured line of Table 5: the mean over tasks of what each task's genotypes reach (Section 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from tnas_cli.methods.calibration import Bins, error_of
from tnas_cli.methods.learner import interval
from tnas_cli.records.parts import GenotypeAccuracy, SupervisedTask
from tnas_cli.spaces.architecture import Architecture


@dataclass(frozen=True)
class Summary:
    """First the mean over a task's genotypes, then over tasks with the 95% interval. `genotypes_trained` counts
    trainings, one for each task and genotype."""

    mean: float
    interval: float
    ece: float | None
    tasks: int
    genotypes: int
    genotypes_trained: int
    parameters_mean: float
    per_task: tuple[SupervisedTask, ...]


def summarise(
    genotypes: Sequence[Sequence[Architecture]],
    accuracies: Mapping[tuple[int, str], float],
    bins: Sequence[Bins | None],
    weights: Callable[[Architecture], int],
) -> Summary:
    """The numbers of a result.

    genotypes: those of each task, where one that is named twice counts twice; accuracies: by the task's number and the
    genotype's digest, where one without an accuracy, and a task without any, does not count; bins: the probabilities of
    each genotype's answers; weights: the number of weights of a genotype's network.
    """
    known = {
        task: reached
        for task, own in enumerate(genotypes)
        if (reached := [genotype for genotype in own if (task, genotype.digest) in accuracies])
    }
    rows = [[accuracies[task, genotype.digest] for genotype in own] for task, own in known.items()]
    per_task = torch.tensor([sum(row) / len(row) for row in rows], dtype=torch.float64)
    everything = [genotype for own in known.values() for genotype in own]
    return Summary(
        mean=float(per_task.mean()),
        interval=interval(per_task),
        ece=error_of(bins),
        tasks=len(rows),
        genotypes=len(everything),
        genotypes_trained=len(accuracies),
        parameters_mean=sum(map(weights, everything)) / len(everything),
        per_task=tuple(
            SupervisedTask(
                task=task,
                mean=float(per_task[place]),
                genotypes=tuple(
                    GenotypeAccuracy(digest=genotype.digest, accuracy=value)
                    for genotype, value in zip(own, row, strict=True)
                ),
            )
            for place, ((task, own), row) in enumerate(zip(known.items(), rows, strict=True))
        ),
    )
