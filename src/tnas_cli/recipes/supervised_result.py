"""The measured line of Table 5: the mean over tasks of what each task's genotypes reach (Section 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from tnas_cli.methods.learner import interval
from tnas_cli.spaces.genotype import Genotype


def summarise(
    genotypes: Sequence[Sequence[Genotype]],
    accuracies: Mapping[tuple[int, str], float],
    weights: Callable[[Genotype], int],
) -> dict[str, object]:
    """The numbers of a `result`: first the mean over a task's genotypes, then over tasks with the 95% interval.

    genotypes: of each task, where one that is named twice counts twice; accuracies: by the task's number and the
    genotype's digest; weights: the number of weights of a genotype's network.
    """
    rows = [[accuracies[task, genotype.digest] for genotype in own] for task, own in enumerate(genotypes)]
    per_task = torch.tensor([sum(row) / len(row) for row in rows], dtype=torch.float64)
    everything = [genotype for own in genotypes for genotype in own]
    return {
        "mean": float(per_task.mean()),
        "interval": interval(per_task),
        "tasks": len(rows),
        "genotypes": len(everything),
        "genotypes_trained": len(accuracies),
        "parameters_mean": sum(map(weights, everything)) / len(everything),
        "per_task": [
            {
                "task": task,
                "mean": float(per_task[task]),
                "genotypes": [
                    {"digest": genotype.digest, "accuracy": value} for genotype, value in zip(own, row, strict=True)
                ],
            }
            for task, (own, row) in enumerate(zip(genotypes, rows, strict=True))
        ],
    }
