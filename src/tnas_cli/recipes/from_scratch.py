"""`tnas train-eval`: train each distinct network once from scratch, and measure it on the stored test tasks."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tnas_cli.errors import Interrupted
from tnas_cli.methods.zoo import TRAIN
from tnas_cli.recipes.estimate import estimate
from tnas_cli.recipes.few_shot_result import summarise
from tnas_cli.recipes.tasks_of import meta_tasks
from tnas_cli.recipes.train_job import Job, prepare, read
from tnas_cli.recipes.train_network import result_file
from tnas_cli.recipes.train_networks import train_networks
from tnas_cli.recipes.trainable import Trainable, max_skips_of, network_of, own_task, rows_with_counts
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.few_shot import TrainSettings

Record = dict[str, Any]


def train_eval(
    records: Sequence[Record],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    side_by_side: int | None = 1,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Train and measure what `genotype` records, or a `network` record, name; returns the `result` record.

    limit: only the most frequent genotypes (of equally frequent ones the earlier). `settings.hours` ends the training
    of a single network; several are trained, the most frequent first, until another one would not end in time.
    side_by_side: genotypes trained at a time, each in a process of its own with its share of the threads; None: as many
    as that is faster for. Raises SettingsError, DataError, and Interrupted with everything saved.
    """
    job = prepare(records, settings, limit, machine, listener, side_by_side)
    name = f"train-eval-{job.cache.dataset}-{settings.way}w{settings.shot}s-{_method(records, settings)}"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    job.write(run)
    return _run(job, run)


def resume(
    run_path: Path,
    *,
    hours: float | None = None,
    side_by_side: int | None = 1,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Continue a stopped run: genotypes that are finished are not trained again. Returns the `result` record.

    hours: a new limit for the run's whole time, earlier calls included; a single network is trained on until then, also
    where it was finished.
    """
    run = RunDirectory.open(run_path)
    job = read(run_path, machine, listener, hours=hours, at_a_time=side_by_side)
    if hours is not None:
        job.write(run)
        run.write_settings(job.settings.to_toml())
        if len(job.chosen) == 1:
            result_file(job, run, 0).unlink(missing_ok=True)
    return _run(job, run, resumed=True)


def dry_run(
    records: Sequence[Record],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    side_by_side: int | None = 1,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """What training will cost, measured on the first genotype, times the number of distinct ones.

    With several side by side one of them is measured, with its share of the threads, while the others' rest.
    """
    job = prepare(records, settings, limit, machine, listener, side_by_side)
    if (count := job.side_by_side) > 1:
        alone = replace(machine, threads=max(1, torch.get_num_threads() // count))
        job = replace(prepare(records, settings, limit, alone, events.ignore), side_by_side=count)
    network = job.chosen[0][0].build(job.settings, job.cache)
    method = TRAIN[job.settings.method]
    state = method.start(network, job.settings, "estimate", job.device)
    learner = method.learner(job.engine, network, job.settings)
    tasks = meta_tasks(job.cache, job.settings, job.device)
    shape = (job.cache.channels, job.cache.size)
    cost = estimate(learner, state, tasks, job.plan, job.settings, shape)
    testing = cost.seconds_per_validation * settings.test_tasks / settings.validation_tasks
    genotypes = len(job.chosen)
    total = -(-genotypes // job.side_by_side) * (cost.total_seconds + testing)
    return {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "dry_run": True,
        "engine": job.engine.name,
        **cost.to_json(),
        "genotypes": genotypes,
        "side_by_side": job.side_by_side,
        "total_seconds": min(total, settings.hours * 3600 or math.inf) if genotypes > 1 else total,
    }


def _method(records: Sequence[Record], settings: TrainSettings) -> str:
    """The method that a result stands for: the search's for genotypes, the training's for a network."""
    if network_of(records) is not None:
        return settings.method
    methods = {record.get("method", "genotype") for record in records}
    return str(methods.pop()) if len(methods) == 1 else "mixed"


def _run(job: Job, run: RunDirectory, *, resumed: bool = False) -> Record:
    begin = time.monotonic()
    if job.machine.tensorboard:
        run.to_tensorboard()
    command = f"tnas train-eval --resume {run.path}{job.machine.data_options}"
    try:
        trained = train_networks(job, run, command)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; everything so far is saved in {run.path}.", hint=f"continue with: {command}"
        ) from None
    first = job.records[0]
    settings = job.settings
    own: dict[str, list[int]] = {}
    for record in job.records:
        index = own_task(record, settings, job.cache)
        if index is not None:
            own.setdefault(Trainable.of(record).name, []).append(index)
    result: Record = {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "run": str(run.path),
        "method": _method(job.records, job.settings),
        "training": job.settings.method,
        "order": job.settings.order if TRAIN[job.settings.method].by_engine else None,
        "network": network_of(job.records),
        "dataset": job.cache.dataset,
        "protocol": job.cache.protocol,
        "fingerprint": job.cache.fingerprint,
        "split": "test",
        "way": settings.way,
        "shot": settings.shot,
        "query": settings.query,
        **rows_with_counts(job.records, summarise(trained, own)),
        "transductive": True,
        "weights": "from-scratch",
        "max_skips": max_skips_of(job.records),
        "genotypes": len(job.records),
        "genotypes_trained": len(trained),
        "genotypes_distinct": len({Trainable.of(record) for record in job.records}),
        "side_by_side": job.side_by_side,
        "hours": settings.hours or None,
        "seed": settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "resumed": resumed,
        "budget": {
            "search_tasks": first.get("search_tasks"),
            "train_tasks_per_genotype": max(entry.training_tasks or settings.tasks for entry in trained),
        },
        "engine": job.engine.name,
        **environment(job.device),
    }
    run.log(result)
    return result
