"""`tnas train-eval --weights inherited`: decoded networks that keep the search network's weights (soft pruning).

Instead of training each genotype from scratch, w~ is meta-trained once, for a short time, through the steps that turn
an adapted search network into its decoded one. Then every task adapts on its own, in milliseconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tnas_cli.engines.choose import choose_engine
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import evaluation_indices, load_batch
from tnas_cli.errors import DataError, SettingsError
from tnas_cli.methods.learner import interval
from tnas_cli.methods.meta_learn import MetaState, Plan, meta_learn
from tnas_cli.methods.soft_pruning import SoftPruning
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.zoo import SEARCH
from tnas_cli.recipes.few_shot_result import Trained, mean_per_task, summarise
from tnas_cli.recipes.meta_architecture import MetaArchitecture, load_meta_architecture
from tnas_cli.recipes.setting import plan_of, write_plan
from tnas_cli.recipes.tasks_of import TASKS_PER_BATCH, image_counts, meta_tasks, open_data
from tnas_cli.recipes.trainable import max_skips_of, own_task, rows_with_counts
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.few_shot import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import Parameters, count
from tnas_cli.update.outer import AdamRule, adam

Record = dict[str, Any]

KIND = "tnas/inherited-weights"
SETTING = "inherited"
PRUNE_STEPS = 3


@dataclass(frozen=True)
class _Job:
    settings: TrainSettings
    records: Sequence[Record]
    meta: MetaArchitecture
    learner: SoftPruning
    cache: ImageCache
    device: torch.device
    machine: Machine
    all_tasks: bool
    listener: events.Listener


def inherit(
    records: Sequence[Record],
    settings: TrainSettings,
    *,
    checkpoint_path: Path | None = None,
    all_tasks: bool = False,
    runs: Path = Path("runs"),
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Measure genotypes with the weights of the search that found them; returns the `result` record.

    `settings.tasks`, or `settings.hours`, is the length of the short meta-training, once for all genotypes; inner steps
    and rates are those of the search. Each genotype is measured on the test task that decoded to it (Section 5.2.2),
    or, with `all_tasks`, on the first `settings.test_tasks` stored test tasks. Without `checkpoint_path` it is the
    `best.pt` of the records' run. Raises SettingsError, DataError, CheckpointError, and Interrupted with everything
    saved.
    """
    path = checkpoint_path or _checkpoint_of(records)
    job = _prepare(records, settings, path, all_tasks, machine, listener)
    name = f"train-eval-{job.cache.dataset}-{settings.way}w{settings.shot}s-{job.meta.settings.method}-inherited"
    run = RunDirectory.create(runs, name, job.settings.to_toml(), environment(job.device))
    _write(job, run)
    return _run(job, run)


def _write(job: _Job, run: RunDirectory) -> None:
    """Keep what `resume` needs."""
    more = {"checkpoint": str(job.meta.path), "all_tasks": job.all_tasks, "engine": job.learner.engine.name}
    write_plan(run, SETTING, job.settings.to_dict(), job.records, fingerprint=job.cache.fingerprint, **more)


def resume(
    run_path: Path,
    *,
    hours: float | None = None,
    machine: Machine = HERE,
    listener: events.Listener = events.ignore,
) -> Record:
    """Continue a stopped run to the numbers it would have reached; returns the `result` record.

    hours: a new limit for the meta-training's whole time, earlier calls included.
    """
    run, plan, records = plan_of(run_path, SETTING)
    settings, path = TrainSettings.from_dict(plan["settings"]), Path(plan["checkpoint"])
    if hours is not None:
        settings = settings.replace(hours=hours)
    job = _prepare(records, settings, path, plan["all_tasks"], machine.as_before(plan.get("engine")), listener)
    if job.cache.fingerprint != plan["fingerprint"]:
        raise DataError(
            f"{job.cache.path} does not hold the images that {run_path} was trained on.",
            hint="prepare the data set again with the same protocol and seed",
        )
    if hours is not None:
        _write(job, run)
        run.write_settings(job.settings.to_toml())
    return _run(job, run, resumed=True)


def _checkpoint_of(records: Sequence[Record]) -> Path:
    runs = {record.get("run") for record in records}
    if len(runs) != 1 or None in runs:
        raise SettingsError(
            "the genotypes do not name the one search whose weights they inherit.", hint="give --checkpoint best.pt"
        )
    return Path(str(runs.pop())) / "best.pt"


def _prepare(
    records: Sequence[Record],
    settings: TrainSettings,
    path: Path,
    all_tasks: bool,
    machine: Machine,
    listener: events.Listener,
) -> _Job:
    device = machine.start()
    cache = open_data(settings, machine, listener)
    meta = load_meta_architecture(path, device)
    ours = (settings.way, settings.channels, cache.size, cache.channels)
    theirs = (meta.settings.way, meta.settings.channels, meta.data["size"], meta.data["channels"])
    if ours != theirs:
        raise SettingsError(
            f"way, channels, image size and image channels are {ours}; {path} was searched with {theirs}.",
            hint="give the checkpoint of the search that found these genotypes",
        )
    if any("genotype" not in record for record in records):
        raise SettingsError("only genotypes inherit weights.", hint="leave --weights out for 4conv")
    # Whoever asks for tasks of their own must have them.
    if not all_tasks and not any(own_task(record, settings, cache) is not None for record in records):
        raise SettingsError(
            "no genotype names the test task that decoded to it.", hint="add --all-tasks to measure each on all tasks"
        )
    engine = choose_engine(
        machine.engine, meta.network, device, side=cache.size, images=image_counts(settings), listener=listener
    )
    base = SEARCH[meta.settings.method].learner(engine, meta.network, meta.settings)
    learner = SoftPruning(engine, meta.network, base, PRUNE_STEPS, max_skips=max_skips_of(records))
    return _Job(
        settings.replace(protocol=cache.protocol), records, meta, learner, cache, device, machine, all_tasks, listener
    )


def _run(job: _Job, run: RunDirectory, *, resumed: bool = False) -> Record:
    begin = time.monotonic()
    if job.machine.tensorboard:
        run.to_tensorboard()
    start = {name: tensor.clone() for name, tensor in job.meta.parameters.items()}
    state = MetaState(start, adam(start, {}, AdamRule(job.settings.alpha_outer)))
    if run.last.is_file():
        restore(checkpoint.load(run.last, KIND), state)
    about = {"settings": job.settings.to_dict(), "run": str(run.path), "checkpoint": str(job.meta.path)}

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, state, about))

    job.listener(events.Note(f"meta-training the inherited weights in {run.path}"))
    drive(
        meta_learn(job.learner, state, meta_tasks(job.cache, job.settings, job.device), Plan.of(job.settings)),
        run,
        Saving(last=lambda: save(run.last), best=lambda: save(run.best)),
        job.listener,
        stage="inherit",
        resume=f"tnas train-eval --resume {run.path}{job.machine.data_options}",
    )
    parameters = parameters_of(checkpoint.load(run.best, KIND), shapes_of(state.parameters), job.device)
    trained_seconds = time.monotonic() - begin
    measured = _all_tasks(job, parameters, state) if job.all_tasks else _own_tasks(job, parameters)
    result: Record = {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "run": str(run.path),
        "method": job.meta.settings.method,
        "training": "soft-pruning",
        "network": None,
        "dataset": job.cache.dataset,
        "protocol": job.cache.protocol,
        "fingerprint": job.cache.fingerprint,
        "split": "test",
        "way": job.settings.way,
        "shot": job.settings.shot,
        "query": job.settings.query,
        **rows_with_counts(job.records, measured),
        "validation": state.best_accuracy,
        "transductive": True,
        "weights": "inherited",
        "max_skips": max_skips_of(job.records),
        "genotypes": len(job.records),
        "genotypes_trained": 0,
        "hours": job.settings.hours or None,
        "seed": job.settings.seed,
        "wall_seconds": time.monotonic() - begin,
        "training_seconds": trained_seconds,
        "resumed": resumed,
        "budget": {"search_tasks": job.meta.tasks_done, "inherit_tasks": state.tasks_done},
        "engine": job.learner.engine.name,
        **environment(job.device),
    }
    run.log(result)
    return result


def _measure(
    job: _Job, parameters: Parameters, indices: Sequence[int], targets: Sequence[Genotype]
) -> tuple[list[float], list[float]]:
    """Accuracy on the stored test tasks `indices`, each with its genotype: transductive and inductive."""
    settings = job.settings
    table = evaluation_indices(
        job.cache, "test", settings.way, settings.shot, settings.query, max(indices, default=0) + 1
    )
    over_query: list[float] = []
    over_support: list[float] = []
    for first in range(0, len(indices), TASKS_PER_BATCH):
        these = slice(first, first + TASKS_PER_BATCH)
        batch = load_batch(job.cache, table[list(indices[these])], settings.shot).to(job.device, torch.float32)
        learner = replace(job.learner, targets=tuple(targets[these]))
        transductive, inductive = learner.both_logits(parameters, batch)
        over_query += task_accuracies(transductive, batch.query_y).tolist()
        over_support += task_accuracies(inductive, batch.query_y).tolist()
    return over_query, over_support


def _own_tasks(job: _Job, parameters: Parameters) -> Record:
    """Every genotype on the test task that decoded to it."""
    pairs = [
        (index, Genotype.from_json(record["genotype"]))
        for record in job.records
        if (index := own_task(record, job.settings, job.cache)) is not None
    ]
    indices, targets = [index for index, _ in pairs], [genotype for _, genotype in pairs]
    found, inductive = (torch.tensor(values) for values in _measure(job, parameters, indices, targets))
    weights = torch.tensor([float(_weights(job, genotype)) for genotype in targets])
    mean, half = float(found.double().mean()), interval(found)
    return {
        "mean": mean,
        "interval": half,
        "tasks": len(found),
        "inductive": {"mean": float(inductive.double().mean()), "interval": interval(inductive)},
        "own_tasks": {"tasks": len(found), "mean": mean, "interval": half},
        "parameters_mean": float(weights.mean()),
        "per_task": [
            {"index": index, "digest": genotype.digest, "accuracy": accuracy}
            for index, genotype, accuracy in zip(indices, targets, found.tolist(), strict=True)
        ],
    }


def _all_tasks(job: _Job, parameters: Parameters, state: MetaState) -> Record:
    """Every distinct genotype on the same stored test tasks, as where they are trained from scratch."""
    genotypes = Counter(Genotype.from_json(record["genotype"]) for record in job.records)
    indices = list(range(job.settings.test_tasks))
    entries = []
    for done, (genotype, times) in enumerate(genotypes.items(), start=1):
        found, inductive = _measure(job, parameters, indices, [genotype] * len(indices))
        kept = {"validation": state.best_accuracy, "accuracies": found, "inductive": inductive}
        entries.append(Trained.from_json(genotype.digest, times, _weights(job, genotype), kept))
        job.listener(events.Progress("test", done, len(genotypes), "genotypes"))
    own: dict[str, list[int]] = {}
    for record in job.records:
        index = own_task(record, job.settings, job.cache)
        if index is not None:
            own.setdefault(Genotype.from_json(record["genotype"]).digest, []).append(index)
    rows = [{"index": index, "accuracy": accuracy} for index, accuracy in enumerate(mean_per_task(entries).tolist())]
    return summarise(entries, own) | {"per_task": rows}


def _weights(job: _Job, genotype: Genotype) -> int:
    network = DecodedNetwork(genotype, job.settings.way, job.cache.channels, job.settings.channels)
    return count(network.specs())
