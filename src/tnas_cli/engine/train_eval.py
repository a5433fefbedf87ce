"""`tnas train-eval`: train each distinct network once from scratch, and measure it on the stored test tasks."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tnas_cli.compute.choose import choose_engine
from tnas_cli.engine.estimate import estimate
from tnas_cli.engine.tasks_of import image_counts, meta_tasks, open_data
from tnas_cli.engine.train_network import Job, train_network
from tnas_cli.engine.trainable import Trainable, max_skips_of, network_of, own_task, rows_with_counts
from tnas_cli.errors import DataError, Interrupted
from tnas_cli.evaluate.few_shot import Trained, summarise
from tnas_cli.methods.meta_learn import Plan
from tnas_cli.methods.zoo import TRAIN
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.files import write_text
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings import TrainSettings

Record = dict[str, Any]


def train_eval(
    records: Sequence[Record],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Train and measure what `genotype` records, or a `network` record, name; returns the `result` record.

    limit: only the most frequent genotypes (of equally frequent ones the earlier). Raises SettingsError, DataError,
    and Interrupted with everything saved.
    """
    job = _prepare(records, settings, limit, machine, listener)
    name = f"train-eval-{job.cache.dataset}-{settings.way}w{settings.shot}s-{_method(records, settings)}"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    plan = {"settings": job.settings.to_dict(), "limit": limit, "fingerprint": job.cache.fingerprint}
    plan["engine"] = job.engine.name
    write_text(run.path / "genotypes.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    write_text(run.path / "plan.json", json.dumps(plan) + "\n")
    return _run(job, run)


def resume(
    run_path: Path,
    *,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Continue a stopped run: genotypes that are finished are not trained again. Returns the `result` record."""
    run = RunDirectory.open(run_path)
    try:
        plan = json.loads((run_path / "plan.json").read_text(encoding="utf-8"))
        lines = (run_path / "genotypes.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
        settings, limit, fingerprint = TrainSettings.from_dict(plan["settings"]), plan["limit"], plan["fingerprint"]
        engine = plan.get("engine")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{run_path} is not a train-eval run.", hint="pass a folder that `tnas train-eval` made"
        ) from error
    job = _prepare(records, settings, limit, machine.as_before(engine), listener)
    if job.cache.fingerprint != fingerprint:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was trained on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    return _run(job, run, resumed=True)


def dry_run(
    records: Sequence[Record],
    settings: TrainSettings,
    *,
    limit: int | None = None,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """What training will cost, measured on the first genotype, times the number of distinct ones."""
    job = _prepare(records, settings, limit, machine, listener)
    network = job.chosen[0][0].build(job.settings, job.cache)
    method = TRAIN[job.settings.method]
    state = method.start(network, job.settings, "estimate", job.device)
    learner = method.learner(job.engine, network, job.settings)
    tasks = meta_tasks(job.cache, job.settings, job.device)
    shape = (job.cache.channels, job.cache.size)
    cost = estimate(learner, state, tasks, Plan.of(job.settings), job.settings, shape)
    testing = cost.seconds_per_validation * settings.test_tasks / settings.validation_tasks
    genotypes = len(job.chosen)
    return {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "dry_run": True,
        "engine": job.engine.name,
        **cost.to_json(),
        "genotypes": genotypes,
        "total_seconds": genotypes * (cost.total_seconds + testing),
    }


def _method(records: Sequence[Record], settings: TrainSettings) -> str:
    """The method that a result stands for: the search's for genotypes, the training's for a network."""
    if network_of(records) is not None:
        return settings.method
    methods = {record.get("method", "genotype") for record in records}
    return str(methods.pop()) if len(methods) == 1 else "mixed"


def _prepare(
    records: Sequence[Record],
    settings: TrainSettings,
    limit: int | None,
    machine: Machine,
    listener: events.Listener,
) -> Job:
    network = network_of(records)
    device = machine.start()
    cache = open_data(settings, machine, listener)
    genotypes = Counter(map(Trainable.of, records))
    chosen = genotypes.most_common(limit)
    if network is not None:
        listener(events.Note(f"training {network}"))
    elif len(chosen) < len(genotypes):
        listener(events.Note(f"training {len(chosen)} of {len(genotypes)} distinct genotypes, the most frequent first"))
    else:
        listener(events.Note(f"training {len(chosen)} distinct of {len(records)} genotypes"))
    first = chosen[0][0].build(settings, cache)
    method = TRAIN[settings.method]
    method.start(first, settings, "check", torch.device("cpu"))  # what cannot be trained so is refused now
    engine = choose_engine(
        machine.engine if method.by_engine else "torch",
        first,
        device,
        second_order=settings.order == "second",
        side=cache.size,
        images=image_counts(settings),
        listener=listener,
    )
    return Job(settings.replace(protocol=cache.protocol), records, chosen, cache, device, machine, engine, listener)


def _run(job: Job, run: RunDirectory, *, resumed: bool = False) -> Record:
    begin = time.monotonic()
    if job.machine.tensorboard:
        run.to_tensorboard()
    command = f"tnas train-eval --resume {run.path}{job.machine.data_options}"
    trained: list[Trained] = []
    try:
        for position, (trainable, times) in enumerate(job.chosen):
            trained.append(train_network(job, run, trainable, times, _part_of_all(job, position), command))
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
        "genotypes_trained": len(job.chosen),
        "seed": settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "resumed": resumed,
        "budget": {
            "search_tasks": first.get("search_tasks"),
            "train_tasks_per_genotype": settings.tasks,
        },
        "engine": job.engine.name,
        **environment(job.device),
    }
    run.log(result)
    return result


def _part_of_all(job: Job, position: int) -> Callable[[int], events.Progress]:
    """One bar over all genotypes, training and test tasks alike."""
    each = job.settings.tasks + job.settings.test_tasks
    total = each * len(job.chosen)

    def progress(done: int) -> events.Progress:
        return events.Progress("train-eval", position * each + done, total, "tasks")

    return progress
