"""One network, trained from scratch or from where it stopped; for `tnas train-eval` it is then tested once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.methods.ensemble import fit_all
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import MetaState, Tasks
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
from tnas_cli.spaces.parameters import Spec

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
    stage = f"{trainable.name}/{work.below}" if work.below else trainable.name
    found = learn(work, _with_test_tasks(life, settings.test_tasks), position, done.parent, stage)
    members = members_of(work, done.parent, found.shapes)

    def tested(number: int) -> None:
        trained = found.state.tasks_done
        life.listener(events.Progress(STAGE, trained + number, trained + settings.test_tasks, "tasks"))

    answered = ((fit_all(found.learner, members, b.support), b.query_x, b.query_y) for b in found.tasks.validate())
    calibration = calibrate(answered)
    keep(done.with_name("best.pt"), KIND, calibration)
    reached = {"validation": found.state.best_accuracy, "training_tasks": found.state.tasks_done}
    before_tests = time.monotonic()
    reached |= test(work, found.learner, members, calibration[0], tested)
    now = time.monotonic()
    reached["test_seconds"] = (now - before_tests) / work.count
    reached["seconds"] = (found.before + now - begin) / work.count
    write_text(done, json.dumps(reached) + "\n")


@dataclass(frozen=True)
class Learnt:
    """A network at the end of its training. before: the seconds that earlier calls took for a part of it."""

    state: MetaState
    learner: Learner
    tasks: Tasks
    shapes: Mapping[str, Spec]
    before: float


def learn(work: FromScratchWork, life: Life, position: int, folder: Path, stage: str) -> Learnt:
    """Train one network of `work.chosen`, or go on where it stopped. `folder` keeps its last checkpoint, and the best
    by validation. Raises StoppedError with everything saved."""
    trainable, settings = work.chosen[position][0], work.settings
    network = trainable.build(settings, work.cache.channels, work.cache.size)
    method = training_method(settings.method)
    tasks = method.tasks(work.cache, settings, work.device)
    state = method.start(network, settings, work.device, f"weights of {trainable.name}", tasks.classes)
    shapes = method.shapes(network, settings)
    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
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
    life.drive(
        method.learn(network, settings, learner, state, tasks, replace(work.plan, together=sharing(position))),
        saving,
        stage=stage,
        history=state.history,
    )
    return Learnt(state, learner, tasks, shapes, before)


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
