"""What `tnas train-eval` will cost: the cost of one network, measured here, times their number."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from itertools import islice

import torch

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.methods.head import head_of, is_head
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.phase import SHARE_OF_TIME, pretrain
from tnas_cli.methods.registry import training_method
from tnas_cli.recipes.estimate import MEASURED_STEPS, Estimate, estimate, seconds_of
from tnas_cli.recipes.from_scratch import FromScratch, FromScratchWork, refuse_hours
from tnas_cli.recipes.inherited import Inherited
from tnas_cli.records.other_results import TrainEstimate
from tnas_cli.records.parts import PlannedBytes, PlannedCost
from tnas_cli.runs.device import Machine
from tnas_cli.runs.drive import SECONDS_BETWEEN_CHECKPOINTS, SECONDS_BETWEEN_LOG_LINES
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.settings.train import TrainSettings

#: The paper's cell: Section 5.2.2 trains the genotype of each test task for 20 epochs of 15,000 tasks. It does not say
#: how many test tasks there are; the authors' code has 600.
PAPER_GENOTYPES, PAPER_TASKS, PAPER_EPOCHS = 600, 300_000, 20

#: On a cluster: what a unit costs beyond its training (benchmarks/scale.md), and about how long the imports of a
#: worker's process take before its first one.
SECONDS_PER_UNIT, SECONDS_TO_START = 0.013, 5.0

#: A checkpoint has tensors of numbers, to each of which the format adds something, and settings.
BYTES_PER_NUMBER, BYTES_PER_TENSOR, BYTES_BESIDE = 4, 300, 2_000
BYTES_PER_LOG_LINE = 200


@dataclass(frozen=True)
class Bill:
    """Who works, and at what price. workers: of a cluster, each with one core; None: this machine. price: of a core
    hour, in any currency; a GPU counts as a core."""

    workers: int | None = None
    price: float | None = None

    def of(
        self, trainings: int, tasks: int, seconds: float, count: int, device: torch.device, most: float = math.inf
    ) -> PlannedCost:
        """For trainings of `seconds` each, `count` at a time; none goes on after `most` seconds."""
        cores = torch.get_num_threads() if device.type == "cpu" else 1
        beside, begin = (0.0, 0.0) if self.workers is None else (SECONDS_PER_UNIT, SECONDS_TO_START)
        whole = begin + math.ceil(trainings / count) * (seconds + beside)
        hours = trainings * seconds * cores / 3600 * min(1.0, most / whole)
        price = None if self.price is None else hours * self.price
        return PlannedCost(genotypes=trainings, tasks=tasks, core_hours=hours, seconds=min(whole, most), price=price)


HERE_AND_FREE = Bill()


def estimate_from_scratch(
    recipe: FromScratch, machine: Machine, listener: Listener, bill: Bill = HERE_AND_FREE
) -> TrainEstimate:
    """Measure the first network; nothing is written. Raises what `FromScratch.prepare` raises.

    If several train at a time, one is measured with its share of the threads, while the other threads rest.
    """
    work = recipe.prepare(machine, listener)
    if bill.workers is not None:
        refuse_hours(work.settings, len(work.chosen), "--workers")
    count = work.count if bill.workers is None else min(bill.workers, len(work.chosen))
    if count > 1 or bill.workers is not None:
        threads = 1 if bill.workers is not None else max(1, torch.get_num_threads() // count)
        work = replace(recipe, side_by_side=1).prepare(replace(machine, threads=threads), ignore)
    one, size, testing = _measured(work)
    most = work.settings.hours * 3600 if work.settings.hours and len(work.chosen) > 1 else math.inf
    cost = bill.of(len(work.chosen), work.settings.tasks, one.total_seconds + testing, count, work.device, most)

    def papers(tasks: int) -> PlannedCost:
        seconds = _papers(one, work, tasks) + testing
        return bill.of(PAPER_GENOTYPES, tasks, seconds, bill.workers or count, work.device)

    return TrainEstimate(
        engine=work.engine.name,
        **asdict(one) | {"total_seconds": cost.seconds},
        genotypes=len(work.chosen),
        side_by_side=count,
        workers=bill.workers,
        cost=cost,
        paper_cost=papers(PAPER_TASKS),
        tenth_cost=papers(PAPER_TASKS // 10),
        bytes=_bytes(work, one, size, None if bill.workers is None else count),
    )


def _measured(work: FromScratchWork) -> tuple[Estimate, int, float]:
    """One network, the bytes of its checkpoint, and the seconds of what follows its training."""
    settings = work.settings
    network = work.chosen[0][0].build(settings, work.cache.channels, work.cache.size)
    found, state = estimate_network(network, settings, work.cache, work.engine, work.device, work.plan)
    still = head_of(training_method(settings.method).about, settings) == "zero"
    return found, _checkpoint(state, still), seconds_after(found.seconds_per_validation, settings)


def seconds_after(validation: float, settings: TrainSettings) -> float:
    """What follows a training whose validations take so many seconds each: the calibration, by the validation tasks,
    and the test tasks."""
    return validation * (1 + settings.test_tasks / settings.validation_tasks)


def estimate_network(
    network: Network, settings: TrainSettings, cache: ImageCache, engine: Engine, device: torch.device, plan: Plan
) -> tuple[Estimate, MetaState]:
    """The training of one network, with its validations and without a test; and the state that it would begin with."""
    method = training_method(settings.method)
    tasks, shape = method.tasks(cache, settings, device), (cache.channels, cache.size)
    state = method.start(network, settings, device, "estimate", tasks.classes)
    found = estimate(method.learner(engine, network, settings), state, tasks, plan, settings, shape)
    total = min(found.total_seconds + _before(network, settings, state, tasks, plan.seconds), plan.seconds)
    return replace(found, total_seconds=total), state


def _before(network: Network, settings: TrainSettings, state: MetaState, tasks: Tasks, seconds: float) -> float:
    """Seconds of a phase before the meta-learning; `state` goes a few batches into it."""
    if state.phase is None or tasks.labelled is None:
        return 0.0
    steps = pretrain(network, state, tasks.labelled, settings.pretrain, math.inf)
    next(steps)
    begin = time.perf_counter()
    measured = len(list(islice(steps, MEASURED_STEPS)))
    each = (time.perf_counter() - begin) / max(1, measured)
    return min(each * settings.pretrain, SHARE_OF_TIME * seconds)


def _papers(one: Estimate, work: FromScratchWork, tasks: int) -> float:
    """Seconds of a training of so many tasks that validates as often as the paper's has epochs."""
    plan = replace(work.plan, tasks=tasks, validate_every=tasks // PAPER_EPOCHS, seconds=math.inf)
    return seconds_of(plan, one.seconds_per_step, one.seconds_per_validation)


def _bytes(work: FromScratchWork, one: Estimate, size: int, workers: int | None) -> PlannedBytes:
    """What is kept, and what so many workers read and write."""
    settings, networks = work.settings, len(work.chosen)
    kept = networks * size * (2 + (settings.ensemble if settings.ensemble > 1 else 0))
    log = networks * _log(one)
    written = networks * math.ceil(one.total_seconds / SECONDS_BETWEEN_CHECKPOINTS) * size
    read = None if workers is None else workers * work.cache.path.stat().st_size
    traffic = None if read is None else read + written + log
    return PlannedBytes(checkpoint=size, storage=kept + log, traffic=traffic)


def _checkpoint(state: MetaState, still_head: bool = False) -> int:
    """Bytes of a checkpoint; still_head: the linear layer does not move, so that Adam keeps nothing of it."""
    size = BYTES_BESIDE
    for name, tensor in state.parameters.items():
        # Of a tensor that moves there are Adam's two moments too, and a count of steps.
        numbers, tensors = (1, 1) if still_head and is_head(name) else (3, 4)
        size += numbers * BYTES_PER_NUMBER * tensor.numel() + tensors * BYTES_PER_TENSOR
    return size


def _log(one: Estimate) -> int:
    return int(one.total_seconds / SECONDS_BETWEEN_LOG_LINES) * BYTES_PER_LOG_LINE


def estimate_inherited(
    recipe: Inherited, machine: Machine, listener: Listener, price: float | None = None
) -> TrainEstimate:
    """Measure the meta-training that all genotypes share, and what testing them adds; nothing is written. Raises what
    `Inherited.prepare` raises."""
    work = recipe.prepare(machine, listener)
    shape, plan = (work.cache.channels, work.cache.size), Plan.of(work.settings)
    start = work.start()
    one = estimate(work.learner, start, work.tasks(), plan, work.settings, shape)
    testing = one.seconds_per_validation * work.tests() / work.settings.validation_tasks
    cost = Bill(price=price).of(1, work.settings.tasks, one.total_seconds + testing, 1, work.device)
    distinct = len({record.digest for record in work.genotypes})
    return TrainEstimate(
        engine=work.engine.name,
        **asdict(one) | {"total_seconds": cost.seconds},
        genotypes=distinct,
        side_by_side=1,
        cost=replace(cost, genotypes=distinct),
        bytes=PlannedBytes(checkpoint=_checkpoint(start), storage=2 * _checkpoint(start) + _log(one)),
    )
