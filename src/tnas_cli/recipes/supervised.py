"""`tnas train-eval --protocol supervised`: search for larger tasks, train what was found, measure (Section 5.3)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DataError, Interrupted, SettingsError
from tnas_cli.methods import supervised as training
from tnas_cli.recipes.open_cache import open_for
from tnas_cli.recipes.setting import plan_of, write_plan
from tnas_cli.recipes.supervised_result import summarise
from tnas_cli.recipes.supervised_search import Found, black_of, finished, meta_architecture, search, tasks_of
from tnas_cli.runs import events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.files import write_text
from tnas_cli.runs.interrupt import termination_as_interrupt
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.checked import preset
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import count

Record = dict[str, Any]

SETTING = "supervised"


@dataclass(frozen=True)
class _Job:
    settings: SupervisedSettings
    records: Sequence[Record]
    given: Sequence[Genotype]
    checkpoint: Path | None
    cache: ImageCache
    batch: TaskBatch
    device: torch.device
    machine: Machine
    listener: events.Listener


def supervised_settings(preset_name: str, given: Mapping[str, Any]) -> SupervisedSettings:
    """A preset, and what the user gave, the later winning; raises SettingsError."""
    return SupervisedSettings.from_dict(preset(SETTING, preset_name, str(given.get("dataset", ""))) | dict(given))


def supervised(
    records: Sequence[Record],
    settings: SupervisedSettings,
    *,
    checkpoint: Path | None = None,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Find the genotypes of each task, train them on it from scratch, and measure them on its query images.

    records: the genotypes of method 'given', else none. checkpoint: the meta-architecture of method 't-nas'. Returns
    the `result` record. Raises GenotypeError, CheckpointError, SettingsError, DataError, and Interrupted with what was
    found and the finished networks saved.
    """
    if any("genotype" not in record for record in records):
        raise SettingsError(
            "the supervised setting trains genotypes, and was given a network of another kind.",
            hint="name a genotype, or choose one of --method t-nas, s1, s2 and random",
        )
    if (settings.method == "given") != bool(records):
        raise SettingsError(
            "a genotype and a method that finds its own were given together." if records else "no genotype was given.",
            hint="name a genotype, or choose one of --method t-nas, s1, s2 and random",
        )
    job = _prepare(records, settings, checkpoint, machine, listener)
    if settings.method == "t-nas":
        meta_architecture(checkpoint, job.cache, job.device)  # one that cannot be adapted is refused now
    name = f"train-eval-{job.cache.dataset}-{settings.way}w{settings.shot}s-{_method(job)}"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    kept = None if checkpoint is None else str(checkpoint.resolve())
    write_plan(run, SETTING, job.settings.to_dict(), records, checkpoint=kept, fingerprint=job.cache.fingerprint)
    return _run(job, run)


def resume(run_path: Path, *, machine: Machine = HERE, listener: events.Listener = events.ignore) -> Record:
    """Continue a stopped run: what was found and the networks that are finished are read. Returns the `result`."""
    run, plan, records = plan_of(run_path, SETTING)
    checkpoint = None if plan["checkpoint"] is None else Path(plan["checkpoint"])
    settings = SupervisedSettings.from_dict(plan["settings"])
    job = _prepare(records, settings, checkpoint, machine, listener)
    if job.cache.fingerprint != plan["fingerprint"]:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was trained on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    return _run(job, run, resumed=True)


def _method(job: _Job) -> str:
    if job.settings.method != "given":
        return job.settings.method
    methods = {record.get("method", "genotype") for record in job.records}
    return str(methods.pop()) if len(methods) == 1 else "mixed"


def _prepare(
    records: Sequence[Record],
    settings: SupervisedSettings,
    checkpoint: Path | None,
    machine: Machine,
    listener: events.Listener,
) -> _Job:
    given = [Cells.from_json(record["genotype"]).to_genotype() for record in records]
    device = machine.start()
    cache = open_for(settings.dataset, settings.protocol, machine, listener)
    settings = settings.replace(protocol=cache.protocol)
    batch = tasks_of(cache, "test", settings, settings.tasks, device)
    return _Job(settings, records, given, checkpoint, cache, batch, device, machine, listener)


def _run(job: _Job, run: RunDirectory, *, resumed: bool = False) -> Record:
    begin = time.monotonic()
    try:
        with termination_as_interrupt():
            found = _found(job, run)
            # Genotypes' networks differ in nothing that an engine is chosen by.
            example = _network(job, found.genotypes[0][0])
            engine = choose_engine(job.machine.engine, example, job.device, listener=job.listener)
            accuracies = _train_all(job, run, engine, found)
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; finished networks are saved in {run.path}.",
            hint=f"continue with: tnas train-eval --resume {run.path}{job.machine.data_options}",
        ) from None
    settings = job.settings
    result: Record = {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "setting": SETTING,
        "run": str(run.path),
        "method": _method(job),
        "network": None,
        "dataset": job.cache.dataset,
        "protocol": job.cache.protocol,
        "fingerprint": job.cache.fingerprint,
        "split": "test",
        "way": settings.way,
        "shot": settings.shot,
        "query": settings.query,
        **summarise(found.genotypes, accuracies, lambda genotype: count(_network(job, genotype).specs())),
        "search_seconds": found.seconds,
        "search_seconds_before": found.seconds_before,
        "order": settings.order if settings.method in ("s1", "s2") else None,
        "transductive": True,
        "weights": "from-scratch",
        "channels": settings.channels,
        "seed": settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "resumed": resumed,
        "budget": {"search_tasks": found.search_tasks, "train_epochs": settings.epochs},
        "engine": engine.name,
        **environment(job.device),
    }
    run.log(result)
    return result


def _found(job: _Job, run: RunDirectory) -> Found:
    """The genotypes of all tasks: searched for, or read where the run has done so."""
    path = run.path / "found.json"
    if path.is_file():
        return Found.from_json(json.loads(path.read_text(encoding="utf-8")))
    found = search(job.cache, job.batch, job.settings, job.given, job.checkpoint, job.device, job.machine, job.listener)
    write_text(path, json.dumps(found.to_json()) + "\n")
    return found


def _network(job: _Job, genotype: Genotype) -> DecodedNetwork:
    return DecodedNetwork(genotype, job.settings.way, job.cache.channels, job.settings.channels)


def _train_all(job: _Job, run: RunDirectory, engine: Engine, found: Found) -> dict[tuple[int, str], float]:
    """Accuracy of each task with each of its genotypes, by the task's number and the genotype's digest."""
    tasks: dict[Genotype, list[int]] = {}
    for task, genotypes in enumerate(found.genotypes):
        for genotype in dict.fromkeys(genotypes):
            tasks.setdefault(genotype, []).append(task)
    accuracies: dict[tuple[int, str], float] = {}
    for number, (genotype, own) in enumerate(tasks.items()):
        path = run.path / "networks" / f"{genotype.digest}.json"
        if not path.is_file():
            values = _train(job, engine, genotype, own, f"network {number + 1} of {len(tasks)}")
            write_text(path, json.dumps({"tasks": own, "accuracies": values}) + "\n")
        kept = json.loads(path.read_text(encoding="utf-8"))
        accuracies |= {
            (task, genotype.digest): value for task, value in zip(kept["tasks"], kept["accuracies"], strict=True)
        }
    return accuracies


def _train(job: _Job, engine: Engine, genotype: Genotype, tasks: Sequence[int], stage: str) -> list[float]:
    """Train one genotype on all its tasks together and measure it on each."""
    network, settings = _network(job, genotype), job.settings
    which, all_tasks = torch.tensor(tasks, device=job.device), job.batch
    batch = TaskBatch(
        all_tasks.support_x[which],
        all_tasks.support_y[which],
        all_tasks.query_x[which],
        all_tasks.query_y[which],
        all_tasks.way,
    )
    purpose = f"supervised weights of {genotype.digest}"
    parameters = training.initial(network, settings.seed, purpose, tasks, job.device)
    steps = training.train(engine, network, parameters, batch, black_of(job.cache, job.device), settings, stage)
    parameters = finished(steps, job.listener)
    return [float(value) for value in training.measure(engine, network, parameters, batch)]
