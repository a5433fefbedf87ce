"""`tnas search`: T-NAS, T-NAS++ or Auto-MAML on a data set, as a run directory with its checkpoints."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import CheckpointError, DataError
from tnas_cli.methods import t_nas
from tnas_cli.methods.adapt import adapt
from tnas_cli.methods.learner import AdaptingLearner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.zoo import SEARCH
from tnas_cli.recipes.estimate import estimate
from tnas_cli.recipes.meta_architecture import KIND, describe_data
from tnas_cli.recipes.tasks_of import image_counts, meta_tasks, open_data
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.few_shot import SearchSettings
from tnas_cli.spaces.collapse import collapse
from tnas_cli.spaces.decode import decidedness, decode, largest_probability
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.search_network import SearchNetwork


@dataclass(frozen=True)
class _Job:
    settings: SearchSettings
    cache: ImageCache
    network: SearchNetwork
    state: MetaState
    learner: AdaptingLearner
    tasks: Tasks
    device: torch.device
    machine: Machine
    engine: Engine


def search(
    settings: SearchSettings,
    *,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> dict[str, Any]:
    """Run Algorithm 1 from the start; returns the `result` record.

    Raises SettingsError, DataError, TnasError for an unwritable folder, and Interrupted (with everything saved).
    """
    job = _prepare(settings, machine, listener)
    name = f"search-{job.cache.dataset}-{settings.way}w{settings.shot}s-{settings.method}"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    return _run(job, run, listener)


def resume(
    run_path: Path,
    *,
    hours: float | None = None,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> dict[str, Any]:
    """Continue a stopped search to the numbers it would have reached without the stop; returns the `result` record.

    hours: a new limit for the run's whole time, earlier calls included (0: none, so that its tasks end it). Raises
    CheckpointError, and DataError when the images are no longer those of the run.
    """
    run = RunDirectory.open(run_path)
    saved = checkpoint.load(run.last, KIND)
    settings = SearchSettings.from_dict(saved.about["settings"])
    if hours is not None:
        settings = settings.replace(hours=hours)
    job = _prepare(settings, machine.as_before(saved.about.get("engine")), listener)
    if job.cache.fingerprint != saved.about["data"]["fingerprint"]:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was searched on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    restore(saved, job.state)
    if hours is not None:
        run.write_settings(job.settings.to_toml())
    listener(events.Note(f"continuing {run_path} at task {job.state.tasks_done} of {settings.tasks}"))
    return _run(job, run, listener)


def dry_run(
    settings: SearchSettings,
    *,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> dict[str, Any]:
    """What the search will cost, as a record; nothing is written but a data set that had to be prepared."""
    job = _prepare(settings, machine, listener)
    cost = estimate(
        job.learner,
        job.state,
        job.tasks,
        Plan.of(settings),
        settings,
        (job.cache.channels, job.cache.size),
    )
    return {
        "event": "result",
        "version": 1,
        "command": "search",
        "dry_run": True,
        "engine": job.engine.name,
        **cost.to_json(),
    }


def _prepare(settings: SearchSettings, machine: Machine, listener: events.Listener) -> _Job:
    device = machine.start()
    cache = open_data(settings, machine, listener)
    settings = settings.replace(protocol=cache.protocol)
    tasks = meta_tasks(cache, settings, device)
    network = t_nas.search_network(settings, cache.channels)
    engine = choose_engine(
        machine.engine,
        network,
        device,
        second_order=settings.order == "second",
        side=cache.size,
        images=image_counts(settings),
        listener=listener,
    )
    method = SEARCH[settings.method]
    state, learner = method.start(network, settings, device), method.learner(engine, network, settings)
    return _Job(settings, cache, network, state, learner, tasks, device, machine, engine)


def _run(job: _Job, run: RunDirectory, listener: events.Listener) -> dict[str, Any]:
    begin = time.monotonic()
    if job.machine.tensorboard:
        run.to_tensorboard()
    about = {
        "settings": job.settings.to_dict(),
        "data": describe_data(job.cache),
        "engine": job.engine.name,
        "environment": environment(job.device),
        "run": str(run.path),
    }

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, job.state, about))

    kept = Kept(run.path, job.settings.ensemble, save)
    listener(events.Note(f"search in {run.path}"))
    started_at = job.state.tasks_done
    drive(
        meta_learn(job.learner, job.state, job.tasks, Plan.of(job.settings)),
        run,
        Saving(lambda: save(run.last), lambda: save(run.best), lambda: kept.after(job.state.history)),
        listener,
        stage="search",
        resume=f"tnas search --resume {run.path}{job.machine.data_options}",
    )
    seconds = time.monotonic() - begin
    record = {
        "event": "result",
        "version": 1,
        "command": "search",
        "run": str(run.path),
        "checkpoint": str(run.best),
        "method": job.settings.method,
        "dataset": job.cache.dataset,
        "protocol": job.cache.protocol,
        "way": job.settings.way,
        "shot": job.settings.shot,
        "seed": job.settings.seed,
        "tasks": job.state.tasks_done,
        "hours": job.settings.hours or None,
        "tasks_this_time": job.state.tasks_done - started_at,
        "validation_accuracy": job.state.best_accuracy,
        "validation_tasks": job.settings.validation_tasks,
        "wall_seconds": seconds,
        "resumed": started_at > 0,
        **_about_theta(job, run),
        "engine": job.engine.name,
        **environment(job.device),
    }
    run.log(record)
    return record


def _about_theta(job: _Job, run: RunDirectory) -> dict[str, Any]:
    """How far theta~ of the best checkpoint is from uniform, and what it decodes to on the validation tasks."""
    if not run.best.is_file():
        raise CheckpointError(f"{run.best} is missing.", hint="resume the run to write it again")
    parameters = parameters_of(checkpoint.load(run.best, KIND), shapes_of(job.state.parameters), job.device)
    genotypes = []
    decided = []
    for adapted, _ in adapt(job.learner, parameters, job.tasks.validate()):
        thetas = adapted.parameters[THETA]
        decided += decidedness(thetas).tolist()
        genotypes += [decode(theta) for theta in thetas]
    counts = [
        (g.count("skip_connect"), g.count("max_pool_3x3", "avg_pool_3x3"), len(g.normal) + len(g.reduce))
        for g in genotypes
    ]
    return {
        "theta_largest_probability": largest_probability(parameters[THETA]),
        "theta_mean_largest_probability": float(decidedness(parameters[THETA])),
        "adapted_mean_largest_probability": sum(decided) / len(decided),
        "distinct_genotypes": len(set(genotypes)),
        **collapse(counts),
    }
