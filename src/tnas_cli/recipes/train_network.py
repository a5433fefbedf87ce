"""One network of `tnas train-eval`: trained from scratch, or from where it stopped, then tested once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.methods.ensemble import together
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.state_file import parameters_of, restore, to_checkpoint
from tnas_cli.methods.streams import evaluation_batches
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.drive import Saving
from tnas_cli.runs.files import write_text
from tnas_cli.runs.kept import Kept
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.spaces.parameters import Parameters

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork

KIND = "tnas/decoded-weights"
STAGE = "train-eval"


def result_file(work: FromScratchWork, run: RunDirectory, position: int) -> Path:
    """The file that keeps a network's result, once it is trained and tested."""
    return run.path / work.chosen[position][0].name / "result.json"


def finished(work: FromScratchWork, run: RunDirectory, position: int) -> Trained | None:
    """A network's result, or None if it is not finished."""
    path = result_file(work, run, position)
    if not path.is_file():
        return None
    trainable, times = work.chosen[position]
    method, network = training_method(work.settings.method), trainable.build(work.settings, work.cache)
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Trained.from_json(trainable.name, times, weight_count(method.shapes(network, work.settings)), kept)


def train_network(work: FromScratchWork, life: Life, position: int) -> None:
    """Train one network, or go on where it stopped, and test it; its result is kept in its folder.

    The life's listener hears one progress bar over training and test tasks. Raises StoppedError with the training
    saved.
    """
    begin = time.monotonic()
    trainable, _ = work.chosen[position]
    settings, done = work.settings, result_file(work, life.run, position)
    network, method, folder = trainable.build(settings, work.cache), training_method(settings.method), done.parent
    state = method.start(network, settings, work.device, f"weights of {trainable.name}")
    shapes = method.shapes(network, settings)
    best, last = folder / "best.pt", folder / "last.pt"
    if last.is_file():
        restore(checkpoint.load(last, KIND), state)
    before = state.seconds
    about = {"settings": settings.to_dict(), **trainable.to_json(), "run": str(life.run.path)}

    def save(path: Path) -> None:
        checkpoint.save(path, to_checkpoint(KIND, state, about))

    kept = Kept(folder, settings.ensemble, save)
    learner = method.learner(work.engine, network, settings)
    tasks = method.tasks(work.cache, settings, work.device)
    saving = Saving(lambda: save(last), lambda: save(best), lambda: kept.after(state.history))
    _with_test_tasks(life, settings.test_tasks).drive(
        method.learn(network, settings, learner, state, tasks, work.plan), saving, stage=trainable.name
    )
    members = [parameters_of(checkpoint.load(path, KIND), shapes, work.device) for path in kept.paths() or [best]]

    def tested(number: int) -> None:
        trained = state.tasks_done
        life.listener(events.Progress(STAGE, trained + number, trained + settings.test_tasks, "tasks"))

    over_query, over_support = _test(work, learner, members, tested)
    seconds = (before + time.monotonic() - begin) / work.count
    reached = {"accuracies": over_query, "inductive": over_support, "validation": state.best_accuracy}
    write_text(done, json.dumps(reached | {"training_tasks": state.tasks_done, "seconds": seconds}) + "\n")


def _with_test_tasks(life: Life, test_tasks: int) -> Life:
    """The same life, whose listener hears a training's progress as a part of one bar that includes the test tasks."""

    def heard(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.unit == "tasks":
            event = events.Progress(STAGE, event.done, event.total + test_tasks, event.unit, event.values)
        life.pass_on(event)

    return life.heard_by(heard)


def _test(
    work: FromScratchWork, learner: Learner, members: Sequence[Parameters], tested: Callable[[int], None]
) -> tuple[list[float], list[float]]:
    """Accuracies on the stored test tasks, transductive and inductive."""
    s = work.settings
    found: list[float] = []
    inductive: list[float] = []
    for batch in evaluation_batches(work.cache, "test", s.way, s.shot, s.query, s.test_tasks, work.device):
        over_query, over_support = together(learner, members, batch)
        found += task_accuracies(over_query, batch.query_y).tolist()
        inductive += task_accuracies(over_support, batch.query_y).tolist()
        tested(len(found))
    return found, inductive
