"""The accuracy of genotypes with the weights of the search that found them, on their own test tasks or on all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

import torch

from tnas_cli.episodes.tasks import evaluation_indices, load_batch
from tnas_cli.methods.calibration import Measure
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.learner import interval
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.registry import title_of
from tnas_cli.methods.streams import TASKS_PER_BATCH
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
    TaskAccuracy,
    TrainedNetwork,
)
from tnas_cli.records.results import TrainResult
from tnas_cli.runs import events
from tnas_cli.runs.device import environment
from tnas_cli.runs.life import Life
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.spaces.decode import nodes_of
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.shapes import count

if TYPE_CHECKING:
    from tnas_cli.recipes.inherited import InheritedWork


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


@dataclass(frozen=True)
class Best:
    """The best meta-parameters by validation tasks, and what these say of their inductive answers."""

    parameters: Parameters
    calibration: Calibration


def on_own_tasks(work: InheritedWork, life: Life, best: Best) -> Measured:
    """Every genotype on the test task that decoded to it."""
    pairs = [
        (index, Genotype.from_json(record.genotype))
        for record in work.genotypes
        if (index := own_task(record, work.settings, work.cache)) is not None
    ]
    indices, targets = [index for index, _ in pairs], [genotype for _, genotype in pairs]
    over_query, over_support = _measure(work, life, best, indices, targets)
    found, inductive = torch.tensor(over_query.accuracies), torch.tensor(over_support.accuracies)
    weights = torch.tensor([float(_weights(work, genotype)) for genotype in targets])
    kinds = kinds_without_weights(work.genotypes)
    mean, half = float(found.double().mean()), interval(found)
    return Measured(
        mean=mean,
        interval=half,
        interval_over=("genotypes", "tasks") if len(kinds) > 1 else ("tasks",),
        ece=over_query.bins.error,
        tasks=len(found),
        parameters_mean=float(weights.mean()),
        inductive=Accuracy(
            mean=float(inductive.double().mean()),
            interval=interval(inductive),
            ece=over_support.bins.error,
        ),
        classifier=best.calibration.classifier,
        own_tasks=OwnTasks(tasks=len(found), mean=mean, interval=half),
        per_task=tuple(
            TaskAccuracy(
                index=index,
                digest=genotype.digest,
                accuracy=accuracy,
                skip_connections=kinds[genotype.digest]["skip_connections"],
                pools=kinds[genotype.digest]["pools"],
            )
            for index, genotype, accuracy in zip(indices, targets, found.tolist(), strict=True)
        ),
        crossed=_on_others(work, life, best, pairs) if work.recipe.cross else None,
        in_place=_in_place(work, life, best, indices) if work.recipe.cross else None,
    )


def _on_others(
    work: InheritedWork, life: Life, best: Best, pairs: Sequence[tuple[int, Genotype]]
) -> tuple[TaskAccuracy, ...]:
    """Every genotype on the tasks of the next `cross` genotypes and of those before it, round in a circle: each
    genotype and each task is met equally often, and of two of them both ways are measured."""
    steps = [step for number in range(1, (work.recipe.cross or 0) + 1) for step in (number, -number)]
    cells = [
        (pairs[(position + step) % len(pairs)][0], genotype)
        for step in steps
        for position, (_, genotype) in enumerate(pairs)
    ]
    return _accuracies(work, life, best, cells)


def _in_place(
    work: InheritedWork, life: Life, best: Best, indices: Sequence[int]
) -> dict[str, tuple[TaskAccuracy, ...]]:
    """What other genotypes reach on the tasks, in place of those that decoded to them: a random one for each task, and
    for all of them the one that theta~ decodes to."""
    network = work.meta.network
    theta = work.meta.parameters[THETA].detach().cpu()
    fixed = network.space.decode(theta, work.learner.max_skips)
    generator = numpy_generator(work.settings.seed, "genotypes in place of the tasks' own")
    drawn = [network.space.random(generator, nodes_of(theta)) for _ in indices]
    others = {"random": drawn, "theta~": [fixed] * len(indices)}
    return {
        name: _accuracies(work, life, best, list(zip(indices, genotypes, strict=True)))
        for name, genotypes in others.items()
    }


def _accuracies(
    work: InheritedWork, life: Life, best: Best, cells: Sequence[tuple[int, Genotype]]
) -> tuple[TaskAccuracy, ...]:
    """Transductive accuracies of genotypes on stored test tasks."""
    over_query, _ = _measure(work, life, best, [index for index, _ in cells], [genotype for _, genotype in cells])
    return tuple(
        TaskAccuracy(index=index, digest=genotype.digest, accuracy=accuracy)
        for (index, genotype), accuracy in zip(cells, torch.tensor(over_query.accuracies).tolist(), strict=True)
    )


def on_all_tasks(work: InheritedWork, life: Life, best: Best, state: MetaState) -> Measured:
    """Every distinct genotype on the same stored test tasks, as for training from scratch."""
    genotypes = Counter(Genotype.from_json(record.genotype) for record in work.genotypes)
    indices = list(range(work.settings.test_tasks))
    entries = []
    for done, (genotype, times) in enumerate(genotypes.items(), start=1):
        found, inductive = _measure(work, life, best, indices, [genotype] * len(indices))
        kept = {
            "validation": state.best_accuracy,
            "accuracies": found.accuracies,
            "inductive": inductive.accuracies,
            "classifier": best.calibration.classifier,
            "bins": asdict(found.bins),
            "inductive_bins": asdict(inductive.bins),
        }
        entries.append(Trained.from_json(genotype.digest, times, _weights(work, genotype), kept))
        life.listener(events.Progress("test", done, len(genotypes), "genotypes"))
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


def result(work: InheritedWork, life: Life, found: Measured, state: MetaState, training_seconds: float) -> TrainResult:
    """What the run measured."""
    settings, method = work.settings, work.meta.settings.method
    return TrainResult(
        run=str(life.run.path),
        method=method,
        title=title_of(method),
        training="soft-pruning",
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


def _measure(
    work: InheritedWork, life: Life, best: Best, indices: Sequence[int], targets: Sequence[Genotype]
) -> tuple[Measure, Measure]:
    """Answers on the stored test tasks `indices`, each with its genotype: transductive and inductive."""
    s = work.settings
    table = evaluation_indices(work.cache, "test", s.way, s.shot, s.query, max(indices, default=0) + 1)
    over_query, over_support = Measure(), Measure(best.calibration.temperature)
    classifier = cast("Classifier", best.calibration.classifier)
    for first in range(0, len(indices), TASKS_PER_BATCH):
        these = slice(first, first + TASKS_PER_BATCH)
        batch = load_batch(work.cache, table[list(indices[these])], s.shot).to(work.device, torch.float32)
        learner = replace(work.learner, targets=tuple(targets[these]))
        transductive, inductive = learner.fit(best.parameters, batch.support).by(classifier).both(batch.query_x)
        over_query.add(transductive, batch.query_y)
        over_support.add(inductive, batch.query_y)
        life.listener(events.Progress("tasks", len(over_query.accuracies), len(indices), "test tasks"))
    return over_query, over_support


def _weights(work: InheritedWork, genotype: Genotype) -> int:
    size = (work.settings.way, work.cache.channels, work.settings.channels)
    return count(space(genotype.space).decoded_network(genotype, *size).specs())
