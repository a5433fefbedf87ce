"""The accuracy of a set of trained genotypes on the test tasks (Section 5.2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tnas_cli.intervals import crossed
from tnas_cli.methods.calibration import Bins, error_of
from tnas_cli.methods.learner import interval
from tnas_cli.records.parts import Accuracy, OwnTasks, TaskAccuracy, TrainedNetwork


@dataclass(frozen=True)
class Trained:
    """One genotype after training: how many tasks decoded to it, its number of weights, its best validation accuracy,
    and its accuracy on each test task [tasks], with batch norm over the query set and over the support set.

    training_tasks: how many it was trained on, None if unknown. bins, inductive_bins: the probabilities of its answers,
    for their calibration error. classifier: what gave the inductive answers.
    """

    digest: str
    tasks_decoded_to_it: int
    parameters: int
    validation: float
    accuracies: Tensor
    inductive: Tensor | None = None
    training_tasks: int | None = None
    bins: Bins | None = None
    inductive_bins: Bins | None = None
    classifier: str | None = None

    @classmethod
    def from_json(cls, digest: str, times: int, parameters: int, kept: Mapping[str, Any]) -> Trained:
        """From what a finished network's result.json holds; `inductive` may be missing."""
        inductive = torch.tensor(kept["inductive"]) if "inductive" in kept else None
        bins, inductive_bins = (Bins.from_json(kept[n]) if n in kept else None for n in ("bins", "inductive_bins"))
        return cls(
            digest,
            times,
            parameters,
            kept["validation"],
            torch.tensor(kept["accuracies"]),
            inductive,
            kept.get("training_tasks"),
            bins,
            inductive_bins,
            kept.get("classifier"),
        )

    def row(self) -> TrainedNetwork:
        """Its row in a result."""
        return TrainedNetwork(
            digest=self.digest,
            count=self.tasks_decoded_to_it,
            mean=float(self.accuracies.double().mean()),
            interval=interval(self.accuracies),
            validation=self.validation,
            parameters=self.parameters,
            training_tasks=self.training_tasks,
        )


@dataclass(frozen=True)
class Summary:
    """The measured numbers of a result.

    `mean` is over genotypes and test tasks, each genotype weighted by how many tasks decoded to it, with a 95% interval
    for other tasks and, where there are several, other genotypes (`interval_over`). `selected` is the genotype with the
    best validation accuracy. `inductive` is the same mean where an answer used the support set and the image alone, by
    `classifier` ('mixed' where networks differ). `own_tasks` measures each genotype on the test tasks that decoded to
    it: the paper's protocol, with as many tasks as were adapted.
    """

    mean: float
    interval: float
    interval_over: tuple[str, ...]
    ece: float | None
    tasks: int
    parameters_mean: float
    inductive: Accuracy | None
    classifier: str | None
    selected: TrainedNetwork
    own_tasks: OwnTasks | None
    per_genotype: tuple[TrainedNetwork, ...]


def mean_per_task(trained: Sequence[Trained]) -> Tensor:
    """Accuracy on each test task [tasks], the mean over networks, each weighted by how many tasks decoded to it."""
    return (_weights(trained) / _weights(trained).sum()) @ torch.stack([entry.accuracies.double() for entry in trained])


def summarise(trained: Sequence[Trained], own_tasks: Mapping[str, Sequence[int]]) -> Summary:
    """The numbers of networks on the same test tasks; own_tasks: digest -> indices of the tasks that decoded to it."""
    weights, per_task = _weights(trained), mean_per_task(trained)
    return Summary(
        mean=float(per_task.mean()),
        interval=_interval([entry.accuracies for entry in trained], weights),
        interval_over=("genotypes", "tasks") if len(trained) > 1 else ("tasks",),
        ece=error_of([entry.bins for entry in trained], weights.tolist()),
        tasks=len(per_task),
        parameters_mean=float((weights / weights.sum()) @ weights.new_tensor([t.parameters for t in trained])),
        inductive=_inductive(trained, weights),
        classifier=_classifier(trained),
        selected=max(trained, key=lambda entry: entry.validation).row(),
        own_tasks=_on_own_tasks(trained, own_tasks),
        per_genotype=tuple(entry.row() for entry in trained),
    )


def _weights(trained: Sequence[Trained]) -> Tensor:
    return torch.tensor([float(entry.tasks_decoded_to_it) for entry in trained], dtype=torch.float64)


def _interval(accuracies: Sequence[Tensor], weights: Tensor) -> float:
    """The half-width over tasks and, for several networks, over both (docs/intervals.md); 1 already allows every
    share."""
    if len(accuracies) == 1:
        return interval(accuracies[0])
    table = torch.stack([each.double() for each in accuracies]).numpy()  # [networks, tasks]
    return min(1.0, crossed(table, weights.tolist()).interval)


def _inductive(trained: Sequence[Trained], weights: Tensor) -> Accuracy | None:
    found = [entry.inductive.double() for entry in trained if entry.inductive is not None]
    if len(found) < len(trained):
        return None
    per_task = (weights / weights.sum()) @ torch.stack(found)  # [tasks]
    ece = error_of([entry.inductive_bins for entry in trained], weights.tolist())
    return Accuracy(mean=float(per_task.mean()), interval=_interval(found, weights), ece=ece)


def _classifier(trained: Sequence[Trained]) -> str | None:
    found = {entry.classifier for entry in trained}
    return found.pop() if len(found) == 1 else "mixed"


def _on_own_tasks(trained: Sequence[Trained], own_tasks: Mapping[str, Sequence[int]]) -> OwnTasks | None:
    rows = tuple(
        TaskAccuracy(index=index, digest=entry.digest, accuracy=float(entry.accuracies[index]))
        for entry in trained
        for index in own_tasks.get(entry.digest, ())
        if index < len(entry.accuracies)
    )
    if not rows:
        return None
    values = torch.tensor([row.accuracy for row in rows], dtype=torch.float64)
    return OwnTasks(tasks=len(rows), mean=float(values.mean()), interval=interval(values), per_task=rows)
