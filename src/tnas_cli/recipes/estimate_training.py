"""What `tnas train-eval` will cost: the cost of one network, times their number."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import torch

from tnas_cli.methods.registry import training_method
from tnas_cli.recipes.estimate import estimate
from tnas_cli.recipes.from_scratch import FromScratch
from tnas_cli.records.other_results import TrainEstimate
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener, ignore


def estimate_from_scratch(recipe: FromScratch, machine: Machine, listener: Listener) -> TrainEstimate:
    """Measure the first network; nothing is written. Raises what `FromScratch.prepare` raises.

    If several train side by side, one is measured with its share of the threads, while the other threads rest.
    """
    work = recipe.prepare(machine, listener)
    if (count := work.count) > 1:
        alone = replace(machine, threads=max(1, torch.get_num_threads() // count))
        work = replace(replace(recipe, side_by_side=1).prepare(alone, ignore), count=count)
    settings, method = work.settings, training_method(work.settings.method)
    network = work.chosen[0][0].build(settings, work.cache.channels, work.cache.size)
    state, learner = (
        method.start(network, settings, work.device, "estimate"),
        method.learner(work.engine, network, settings),
    )
    tasks, shape = method.tasks(work.cache, settings, work.device), (work.cache.channels, work.cache.size)
    cost = estimate(learner, state, tasks, work.plan, settings, shape)
    testing = cost.seconds_per_validation * settings.test_tasks / settings.validation_tasks
    networks = len(work.chosen)
    total = -(-networks // work.count) * (cost.total_seconds + testing)
    values = asdict(cost) | {"total_seconds": min(total, settings.hours * 3600 or math.inf) if networks > 1 else total}
    return TrainEstimate(engine=work.engine.name, **values, genotypes=networks, side_by_side=work.count)
