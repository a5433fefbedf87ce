"""What a long computation will cost, measured on this machine before it starts."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from tnas_cli.methods.all_classes import PREFIX
from tnas_cli.methods.learner import AdaptingLearner, Learner, accuracies
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.cost import flops_per_image, flops_per_task

MEASURED_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """Weights of the network, arithmetic of one task (None where a method has no inner steps), and seconds measured per
    meta-batch and in total."""

    parameters: int
    flops_per_task: int | None
    seconds_per_step: float
    seconds_per_validation: float
    steps: int
    total_seconds: float


def estimate(
    learner: Learner,
    state: MetaState,
    tasks: Tasks,
    plan: Plan,
    settings: SearchSettings | TrainSettings,
    image_shape: tuple[int, int],
) -> Estimate:
    """Time a few meta-batches and one validation batch; `state` does not change. image_shape: channels, size."""
    flops = None
    if isinstance(learner, AdaptingLearner):
        flops = flops_per_task(
            flops_per_image(learner.network.logits, learner.network.specs(), *image_shape),
            support=settings.way * settings.shot,
            query=settings.way * settings.query,
            steps=settings.inner_steps,
        )
    batch = tasks.train(0, plan.meta_batch)
    times = []
    for _ in range(1 + MEASURED_STEPS):
        begin = time.perf_counter()
        learner.meta_gradient(state.parameters, batch, 0.0)
        _wait(batch.support_x.device)
        times.append(time.perf_counter() - begin)
    per_step = statistics.median(times[1:])

    validation_batch = next(iter(tasks.validate()))
    begin = time.perf_counter()
    list(accuracies(learner, state.parameters, [validation_batch]))
    _wait(batch.support_x.device)
    per_validation = (time.perf_counter() - begin) * settings.validation_tasks / len(validation_batch)

    steps = -(-plan.tasks // plan.meta_batch)
    total = seconds_of(plan, per_step, per_validation)
    if total > plan.seconds:
        steps, total = max(1, int(steps * plan.seconds / total)), plan.seconds
    own = {name: tensor for name, tensor in state.parameters.items() if not name.startswith(PREFIX)}
    return Estimate(weight_count(own), flops, per_step, per_validation, steps, total)


def seconds_of(plan: Plan, per_step: float, per_validation: float) -> float:
    """How long a plan takes without its time limit."""
    return -(-plan.tasks // plan.meta_batch) * per_step + -(-plan.tasks // plan.validate_every) * per_validation


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
