"""The result of `tnas train-eval`, from what its networks reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tnas_cli.errors import TnasError
from tnas_cli.methods.head import head_of
from tnas_cli.methods.registry import title_of, training_method
from tnas_cli.recipes.few_shot_result import Trained, summarise
from tnas_cli.recipes.meta_architecture import preparation_of
from tnas_cli.recipes.trainable import (
    TrainableRecord,
    found_by,
    max_skips_of,
    network_of,
    own_tasks,
    search_budget,
    space_of,
    with_counts,
)
from tnas_cli.recipes.units import set_aside
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.parts import Amount, Budget, CountedFor
from tnas_cli.records.results import TrainResult
from tnas_cli.runs.device import environment
from tnas_cli.runs.life import Life
from tnas_cli.settings.features import INNER_LOOP, ORDER
from tnas_cli.settings.train import TrainSettings

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork


def method_of(records: Sequence[TrainableRecord], settings: TrainSettings) -> str:
    """The method that a result stands for: the search's for genotypes, the training's for a network."""
    genotypes = [record for record in records if isinstance(record, Decoded)]
    return found_by(genotypes) if genotypes else settings.method


def result(
    work: FromScratchWork, life: Life, trained: Sequence[Trained], aside: Mapping[str, TnasError]
) -> TrainResult:
    """What the run measured; aside: the errors of networks without a result."""
    given, settings, method = work.recipe.given, work.settings, training_method(work.settings.method)
    network = network_of(given)
    summary = with_counts(given, summarise(trained, own_tasks(given, settings, work.cache)))
    each = max(entry.training_tasks or settings.tasks for entry in trained)
    return TrainResult(
        run=str(life.run.path),
        method=method_of(given, settings),
        title=title_of(method_of(given, settings)),
        training=settings.method,
        order=settings.order if ORDER in method.about.reads else None,
        head=head_of(method.about, settings),
        network=network and (method.about.network or network),
        dataset=work.cache.dataset,
        protocol=work.cache.protocol,
        fingerprint=work.cache.fingerprint,
        split="test",
        way=settings.way,
        shot=settings.shot,
        query=settings.query,
        tasks=summary.tasks,
        mean=summary.mean,
        interval=summary.interval,
        interval_over=summary.interval_over,
        ece=summary.ece,
        parameters_mean=summary.parameters_mean,
        inductive=summary.inductive,
        classifier=summary.classifier if INNER_LOOP in training_method(settings.method).about.reads else None,
        selected=summary.selected,
        own_tasks=summary.own_tasks,
        per_genotype=summary.per_genotype,
        preparation=preparation_of(work.cache),
        counted_for=CountedFor(way=settings.way, image_channels=work.cache.channels, channels=settings.channels),
        transductive=True,
        weights="from-scratch",
        members=settings.ensemble if settings.ensemble > 1 else None,
        max_skips=max_skips_of(given),
        space=space_of(given),
        genotypes=len(given),
        genotypes_trained=len(trained),
        genotypes_distinct=work.distinct,
        side_by_side=work.count,
        set_aside=set_aside(aside),
        hours=settings.hours or None,
        seed=settings.seed,
        wall_seconds=life.seconds,
        resumed=life.resumed,
        budget=Budget(search=search_budget(given), training=Amount(amount=each, unit="tasks", each="genotype")),
        engine=work.engine_name,
        environment=environment(work.device),
    )
