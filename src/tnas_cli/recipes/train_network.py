"""One network of `tnas train-eval`: trained from scratch, or from where it stopped, then tested once."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.methods.ensemble import fit_all
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.plain import as_written
from tnas_cli.recipes.calibrate import calibrate, keep
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.from_scratch_result import method_of
from tnas_cli.recipes.meta_architecture import describe_data
from tnas_cli.recipes.test_network import KIND, members_of, test
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.contents import RESULT
from tnas_cli.runs.drive import Saving
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale.leader import sharing
from tnas_cli.scale.share import Duty

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork

STAGE = "train-eval"


def result_file(work: FromScratchWork, run: RunDirectory, position: int) -> Path:
    """The file that keeps a network's result, once it is trained and tested."""
    return run.path / work.chosen[position][0].name / work.below / RESULT


def finished(work: FromScratchWork, run: RunDirectory, position: int) -> Trained | None:
    """A network's result, or None if it is not finished."""
    path = result_file(work, run, position)
    if not path.is_file():
        return None
    trainable, times = work.chosen[position]
    network = trainable.build(work.settings, work.cache.channels, work.cache.size)
    method = training_method(work.settings.method)
    kept = read_json(path)
    with as_written(path):
        return Trained.from_json(trainable.name, times, weight_count(method.shapes(network, work.settings)), kept)


def train_network(work: FromScratchWork, life: Life, position: int) -> None:
    """Train one network, or go on where it stopped, and test it; its result is kept in its folder.

    The life's listener hears one progress bar over training and test tasks. Raises StoppedError with the training
    saved.
    """
    begin = time.monotonic()
    trainable, _ = work.chosen[position]
    settings, done = work.settings, result_file(work, life.run, position)
    network = trainable.build(settings, work.cache.channels, work.cache.size)
    method, folder = training_method(settings.method), done.parent
    tasks = method.tasks(work.cache, settings, work.device)
    state = method.start(network, settings, work.device, f"weights of {trainable.name}", tasks.classes)
    shapes = method.shapes(network, settings)
    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
    stage = f"{trainable.name}/{work.below}" if work.below else trainable.name
    life.rewind(stage, state.tasks_done, (entry["tasks"] for entry in state.history))
    before = state.phase_seconds + state.seconds
    about = {
        "settings": settings.to_dict(),
        "data": describe_data(work.cache).to_json(),
        "found_by": method_of(work.recipe.given, settings),
        "run": str(life.run.known_as),
        **trainable.to_json(),
    }

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, state, about))

    kept = Kept(folder, settings.ensemble, save)
    learner = method.learner(work.engine, network, settings)
    saving = Saving(lambda: save(last), lambda: save(best), lambda: kept.after(state.history))
    _with_test_tasks(life, settings.test_tasks).drive(
        method.learn(network, settings, learner, state, tasks, replace(work.plan, together=sharing(position))),
        saving,
        stage=stage,
        history=state.history,
    )
    members = members_of(work, folder, shapes)

    def tested(number: int) -> None:
        trained = state.tasks_done
        life.listener(events.Progress(STAGE, trained + number, trained + settings.test_tasks, "tasks"))

    found = calibrate((fit_all(learner, members, b.support), b.query_x, b.query_y) for b in tasks.validate())
    keep(best, KIND, found)
    reached = {"validation": state.best_accuracy, "training_tasks": state.tasks_done}
    before_tests = time.monotonic()
    reached |= test(work, learner, members, found[0], tested)
    now = time.monotonic()
    reached["test_seconds"] = (now - before_tests) / work.count
    reached["seconds"] = (before + now - begin) / work.count
    write_text(done, json.dumps(reached) + "\n")


def duty(work: FromScratchWork, position: int) -> Duty:
    """What the processes of a group compute of a network's training."""
    settings = work.settings
    network = work.chosen[position][0].build(settings, work.cache.channels, work.cache.size)
    method = training_method(settings.method)
    tasks = method.tasks(work.cache, settings, work.device)
    start = method.start(network, settings, work.device, classes=tasks.classes)
    return Duty(method.learner(work.engine, network, settings), tasks, start.parameters)


def _with_test_tasks(life: Life, test_tasks: int) -> Life:
    """The same life, whose listener hears a training's progress as a part of one bar that includes the test tasks."""

    def heard(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.unit == "tasks":
            event = events.Progress(STAGE, event.done, event.total + test_tasks, event.unit, event.values)
        life.pass_on(event)

    return life.heard_by(heard)
