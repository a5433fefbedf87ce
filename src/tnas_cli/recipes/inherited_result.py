"""The accuracy of genotypes with the weights of the search that found them, on their own test tasks or on all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch

from tnas_cli.methods.calibration import Bins
from tnas_cli.methods.learner import interval
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.registry import title_of
from tnas_cli.recipes.few_shot_result import Trained, mean_per_task, summarise
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.trainable import kinds_without_weights, max_skips_of, own_task, own_tasks, space_of, with_counts
from tnas_cli.records.parts import (
    Accuracy,
    Amount,
    Budget,
    Calibration,
    CountedFor,
    OwnTasks,
    SetAside,
    TaskAccuracy,
    TrainedNetwork,
)
from tnas_cli.records.results import TrainResult
from tnas_cli.runs.device import environment
from tnas_cli.runs.life import Life
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.spaces.decode import nodes_of
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.shapes import count

if TYPE_CHECKING:
    from tnas_cli.recipes.inherited import InheritedWork


#: A stored test task, and the genotype that answers to it.
Cell = tuple[int, Genotype]

OWN, OTHERS = "own", "others"


@dataclass
class Answers:
    """Answers to stored test tasks: accuracies, transductive and inductive, of each task's genotype, and the bins of
    their probabilities, of some tasks each."""

    cells: list[Cell] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    inductive: list[float] = field(default_factory=list)
    bins: list[Bins] = field(default_factory=list)
    inductive_bins: list[Bins] = field(default_factory=list)

    @property
    def per_task(self) -> tuple[TaskAccuracy, ...]:
        """The transductive accuracies."""
        return tuple(
            TaskAccuracy(index=index, digest=genotype.digest, accuracy=accuracy)
            for (index, genotype), accuracy in zip(self.cells, torch.tensor(self.accuracies).tolist(), strict=True)
        )


@dataclass(frozen=True)
class Measured:
    """The measured part of a result; `per_genotype` and `selected` only if all genotypes saw the same tasks."""

    mean: float
    interval: float
    interval_over: tuple[str, ...]
    ece: float | None
    tasks: int
    parameters_mean: float
    inductive: Accuracy | None
    classifier: str | None
    own_tasks: OwnTasks | None
    per_task: tuple[TaskAccuracy, ...]
    crossed: tuple[TaskAccuracy, ...] | None = None
    in_place: Mapping[str, tuple[TaskAccuracy, ...]] | None = None
    per_genotype: tuple[TrainedNetwork, ...] | None = None
    selected: TrainedNetwork | None = None


def cells_of(work: InheritedWork) -> dict[str, list[Cell]]:
    """What is measured, by name: the test tasks, each with a genotype.

    `own`: every genotype on the test task that decoded to it; or by a genotype's digest: it on all stored test tasks.
    With `cross`, also `others`, and what other genotypes reach on the tasks in place of their own: `random`, another
    one for each task, and `theta~`, the one that theta~ decodes to.
    """
    if work.recipe.all_tasks:
        return {g.digest: [(index, g) for index in range(work.settings.test_tasks)] for g in _counted(work)}
    own = [
        (index, Genotype.from_json(record.genotype))
        for record in work.genotypes
        if (index := own_task(record, work.settings, work.cache)) is not None
    ]
    return {OWN: own} | ({OTHERS: _others(work, own), **_in_place(work, own)} if work.recipe.cross else {})


def _counted(work: InheritedWork) -> Counter[Genotype]:
    return Counter(Genotype.from_json(record.genotype) for record in work.genotypes)


def _others(work: InheritedWork, own: Sequence[Cell]) -> list[Cell]:
    """Every genotype on the tasks of the next `cross` genotypes and of those before it, round in a circle: each
    genotype and each task is met equally often, and of two of them both ways are measured."""
    steps = [step for number in range(1, (work.recipe.cross or 0) + 1) for step in (number, -number)]
    return [
        (own[(position + step) % len(own)][0], genotype) for step in steps for position, (_, genotype) in enumerate(own)
    ]


def _in_place(work: InheritedWork, own: Sequence[Cell]) -> dict[str, list[Cell]]:
    network = work.meta.network
    theta = work.meta.parameters[THETA].detach().cpu()
    fixed = network.space.decode(theta, work.learner.max_skips)
    generator = numpy_generator(work.settings.seed, "genotypes in place of the tasks' own")
    drawn = [network.space.random(generator, nodes_of(theta)) for _ in own]
    others = {"random": drawn, "theta~": [fixed] * len(own)}
    return {
        name: [(index, genotype) for (index, _), genotype in zip(own, genotypes, strict=True)]
        for name, genotypes in others.items()
    }


def summary(work: InheritedWork, found: Mapping[str, Answers], calibration: Calibration, state: MetaState) -> Measured:
    """The measured part of the result; found: the answers to what `cells_of` names, as far as they are known."""
    if work.recipe.all_tasks:
        return _on_all_tasks(work, found, calibration, state)
    return _on_own_tasks(work, found, calibration)


def _on_own_tasks(work: InheritedWork, answers: Mapping[str, Answers], calibration: Calibration) -> Measured:
    own = answers[OWN]
    found, inductive = torch.tensor(own.accuracies), torch.tensor(own.inductive)
    weights = torch.tensor([float(_weights(work, genotype)) for _, genotype in own.cells])
    kinds = kinds_without_weights(work.genotypes)
    mean, half = float(found.double().mean()), interval(found)
    return Measured(
        mean=mean,
        interval=half,
        interval_over=("genotypes", "tasks") if len(kinds) > 1 else ("tasks",),
        ece=Bins.sum(own.bins).error,
        tasks=len(found),
        parameters_mean=float(weights.mean()),
        inductive=Accuracy(
            mean=float(inductive.double().mean()),
            interval=interval(inductive),
            ece=Bins.sum(own.inductive_bins).error,
        ),
        classifier=calibration.classifier,
        own_tasks=OwnTasks(tasks=len(found), mean=mean, interval=half),
        per_task=tuple(
            TaskAccuracy(
                index=index,
                digest=genotype.digest,
                accuracy=accuracy,
                skip_connections=kinds[genotype.digest]["skip_connections"],
                pools=kinds[genotype.digest]["pools"],
            )
            for (index, genotype), accuracy in zip(own.cells, found.tolist(), strict=True)
        ),
        crossed=answers[OTHERS].per_task if work.recipe.cross else None,
        in_place={name: one.per_task for name, one in answers.items() if name not in (OWN, OTHERS)} or None,
    )


def _on_all_tasks(
    work: InheritedWork, answers: Mapping[str, Answers], calibration: Calibration, state: MetaState
) -> Measured:
    """Every distinct genotype on the same stored test tasks, as for training from scratch."""
    entries = []
    for genotype, times in _counted(work).items():
        found = answers[genotype.digest]
        if not found.cells:
            continue
        kept = {
            "validation": state.best_accuracy,
            "accuracies": found.accuracies,
            "inductive": found.inductive,
            "classifier": calibration.classifier,
            "bins": asdict(Bins.sum(found.bins)),
            "inductive_bins": asdict(Bins.sum(found.inductive_bins)),
        }
        entries.append(Trained.from_json(genotype.digest, times, _weights(work, genotype), kept))
    own = own_tasks(work.genotypes, work.settings, work.cache)
    summary = with_counts(work.genotypes, summarise(entries, own))
    return Measured(
        mean=summary.mean,
        interval=summary.interval,
        interval_over=summary.interval_over,
        ece=summary.ece,
        tasks=summary.tasks,
        parameters_mean=summary.parameters_mean,
        inductive=summary.inductive,
        classifier=summary.classifier,
        own_tasks=summary.own_tasks,
        per_task=tuple(
            TaskAccuracy(index=index, accuracy=accuracy)
            for index, accuracy in enumerate(mean_per_task(entries).tolist())
        ),
        per_genotype=summary.per_genotype,
        selected=summary.selected,
    )


def result(
    work: InheritedWork,
    life: Life,
    found: Measured,
    state: MetaState,
    training_seconds: float,
    aside: tuple[SetAside, ...] | None,
) -> TrainResult:
    """What the run measured."""
    settings, method = work.settings, work.meta.settings.method
    return TrainResult(
        run=str(life.run.path),
        method=method,
        title=title_of(method),
        training="soft-pruning",
        head=work.meta.head,
        paths=None if settings.paths == "own" else settings.paths,
        network=None,
        dataset=work.cache.dataset,
        protocol=work.cache.protocol,
        fingerprint=work.cache.fingerprint,
        split="test",
        way=settings.way,
        shot=settings.shot,
        query=settings.query,
        **vars(found),
        counted_for=CountedFor(way=settings.way, image_channels=work.cache.channels, channels=settings.channels),
        preparation=preparation_of(work.cache),
        validation=state.best_accuracy,
        transductive=True,
        weights="inherited",
        max_skips=max_skips_of(work.genotypes),
        space=space_of(work.genotypes),
        genotypes=len(work.genotypes),
        genotypes_trained=0,
        set_aside=aside,
        hours=settings.hours or None,
        seed=settings.seed,
        wall_seconds=life.seconds,
        training_seconds=training_seconds,
        resumed=life.resumed,
        budget=Budget(
            search=Amount(amount=work.meta.tasks_done, unit="tasks"),
            training=Amount(amount=state.tasks_done, unit="tasks"),
        ),
        engine=work.engine_name,
        environment=environment(work.device),
    )


def _weights(work: InheritedWork, genotype: Genotype) -> int:
    size = (work.settings.way, work.cache.channels, work.settings.channels)
    return count(space(genotype.space).decoded_network(genotype, *size).specs())
