"""One network of `tnas train-eval`: trained from scratch, or further from where it stopped, then tested once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tnas_cli.compute.interface import Engine
from tnas_cli.compute.torch_engine import task_accuracies
from tnas_cli.engine.tasks_of import evaluation_batches, meta_tasks
from tnas_cli.engine.trainable import Trainable
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.evaluate.few_shot import Trained
from tnas_cli.methods.ensemble import together
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import Plan, meta_learn
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.methods.zoo import TRAIN
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.files import write_text
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings import TrainSettings
from tnas_cli.space.parameters import Parameters

Record = dict[str, Any]

KIND = "tnas/decoded-weights"


@dataclass(frozen=True)
class Job:
    """What all networks of a run have in common, and which they are with how many tasks decoded to each."""

    settings: TrainSettings
    records: Sequence[Record]
    chosen: Sequence[tuple[Trainable, int]]
    cache: ImageCache
    device: torch.device
    machine: Machine
    engine: Engine
    listener: events.Listener


def train_network(
    job: Job,
    run: RunDirectory,
    trainable: Trainable,
    times: int,
    progress: Callable[[int], events.Progress],
    resume_command: str,
) -> Trained:
    """Train one network, or go on where it stopped, and test it; finished ones are read."""
    name, folder = trainable.name, run.path / trainable.name
    network, engine = trainable.build(job.settings, job.cache), job.engine
    method = TRAIN[job.settings.method]
    state = method.start(network, job.settings, f"weights of {name}", job.device)
    shapes = shapes_of(state.parameters)
    weights = weight_count(state.parameters)
    done = folder / "result.json"
    if done.is_file():
        job.listener(progress(job.settings.tasks + job.settings.test_tasks))
        return Trained.from_json(name, times, weights, json.loads(done.read_text(encoding="utf-8")))

    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
    about = {"settings": job.settings.to_dict(), **trainable.to_json(), "run": str(run.path)}

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, state, about))

    kept = Kept(folder, job.settings.ensemble, save)

    def forward(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            part = progress(event.done)
            event = events.Progress(part.stage, part.done, part.total, part.unit, event.values)
        job.listener(event)

    tasks = meta_tasks(job.cache, job.settings, job.device)
    learner = method.learner(engine, network, job.settings)
    drive(
        meta_learn(learner, state, tasks, Plan.of(job.settings)),
        run,
        Saving(last=lambda: save(last), best=lambda: save(best), validated=lambda: kept.after(state.history)),
        forward,
        stage=name,
        resume=resume_command,
    )
    members = [parameters_of(checkpoint.load(path, KIND), shapes, job.device) for path in kept.paths() or [best]]
    measured = _test(job, learner, members, lambda done: progress(job.settings.tasks + done))
    measured["validation"] = state.best_accuracy
    write_text(done, json.dumps(measured) + "\n")
    return Trained.from_json(name, times, weights, measured)


def _test(
    job: Job, learner: Learner, members: Sequence[Parameters], progress: Callable[[int], events.Progress]
) -> Record:
    """Accuracies on the stored test tasks, transductive and inductive."""
    settings, found, inductive = job.settings, [], []
    batches = evaluation_batches(
        job.cache, "test", settings.way, settings.shot, settings.query, settings.test_tasks, job.device
    )
    for batch in batches:
        over_query, over_support = together(learner, members, batch)
        found += task_accuracies(over_query, batch.query_y).tolist()
        inductive += task_accuracies(over_support, batch.query_y).tolist()
        job.listener(progress(len(found)))
    return {"accuracies": found, "inductive": inductive}
