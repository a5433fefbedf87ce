"""One network of `tnas train-eval`: trained from scratch, or further from where it stopped, then tested once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.methods.ensemble import together
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import meta_learn
from tnas_cli.methods.state_file import parameters_of, restore, shapes_of, to_checkpoint
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.methods.zoo import TRAIN
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.tasks_of import evaluation_batches, meta_tasks
from tnas_cli.recipes.train_job import Job
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.drive import Saving, drive
from tnas_cli.runs.files import write_text
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.spaces.parameters import Parameters

Record = dict[str, Any]

KIND = "tnas/decoded-weights"
STAGE = "train-eval"


def result_file(job: Job, run: RunDirectory, position: int) -> Path:
    """Where what a network reached is kept, once it is trained and tested."""
    return run.path / job.chosen[position][0].name / "result.json"


def finished(job: Job, run: RunDirectory, position: int) -> Trained | None:
    """What a network reached, or None where it is not finished."""
    path = result_file(job, run, position)
    if not path.is_file():
        return None
    trainable, times = job.chosen[position]
    method, network = TRAIN[job.settings.method], trainable.build(job.settings, job.cache)
    state = method.start(network, job.settings, f"weights of {trainable.name}", job.device)
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Trained.from_json(trainable.name, times, weight_count(state.parameters), kept)


def train_network(job: Job, run: RunDirectory, position: int, listener: events.Listener, resume_command: str) -> None:
    """Train one network, or go on where it stopped, and test it; what it reached is kept in its folder.

    The listener hears one bar, over training and test tasks. Raises Interrupted with the training saved.
    """
    begin = time.monotonic()
    trainable, _ = job.chosen[position]
    done = result_file(job, run, position)
    network, method, folder = trainable.build(job.settings, job.cache), TRAIN[job.settings.method], done.parent
    state = method.start(network, job.settings, f"weights of {trainable.name}", job.device)
    shapes = shapes_of(state.parameters)
    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
    before = state.seconds
    about = {"settings": job.settings.to_dict(), **trainable.to_json(), "run": str(run.path)}

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, state, about))

    def training(event: events.Event) -> None:
        if isinstance(event, events.Progress):
            total = event.total + job.settings.test_tasks
            event = events.Progress(STAGE, event.done, total, event.unit, event.values)
        listener(event)

    def testing(tested: int) -> None:
        tasks = state.tasks_done
        listener(events.Progress(STAGE, tasks + tested, tasks + job.settings.test_tasks, "tasks"))

    kept = Kept(folder, job.settings.ensemble, save)
    learner = method.learner(job.engine, network, job.settings)
    drive(
        meta_learn(learner, state, meta_tasks(job.cache, job.settings, job.device), job.plan),
        run,
        Saving(last=lambda: save(last), best=lambda: save(best), validated=lambda: kept.after(state.history)),
        training,
        stage=trainable.name,
        resume=resume_command,
    )
    members = [parameters_of(checkpoint.load(path, KIND), shapes, job.device) for path in kept.paths() or [best]]
    measured = _test(job, learner, members, testing)
    measured["validation"] = state.best_accuracy
    measured["training_tasks"] = state.tasks_done
    measured["seconds"] = (before + time.monotonic() - begin) / job.side_by_side
    write_text(done, json.dumps(measured) + "\n")


def _test(job: Job, learner: Learner, members: Sequence[Parameters], tested: Callable[[int], None]) -> Record:
    """Accuracies on the stored test tasks, transductive and inductive."""
    settings, found, inductive = job.settings, [], []
    batches = evaluation_batches(
        job.cache, "test", settings.way, settings.shot, settings.query, settings.test_tasks, job.device
    )
    for batch in batches:
        over_query, over_support = together(learner, members, batch)
        found += task_accuracies(over_query, batch.query_y).tolist()
        inductive += task_accuracies(over_support, batch.query_y).tolist()
        tested(len(found))
    return {"accuracies": found, "inductive": inductive}
