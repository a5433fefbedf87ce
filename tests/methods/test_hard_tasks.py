"""Hard tasks: which class is kept, when they are due, what they are drawn from, and that a stop changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.episodes.small_data import small_cache
from tests.glyph_tasks import SIDE
from tests.helpers import network_for
from tests.methods.learning import tasks_for
from tests.synthetic import pattern_tasks
from tnas_cli.engines.interface import MetaGradient
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import CheckpointError
from tnas_cli.methods.hard_tasks import HardTasks, weakest
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.streams import Episodes, HardEpisodes
from tnas_cli.runs.events import StepDone, Validated
from tnas_cli.settings.train import TrainSettings
from tnas_cli.update.outer import AdamRule, adam

CPU = torch.device("cpu")
SETTINGS = TrainSettings("x", way=2, query=2, method="mtl", hard_tasks=3, meta_batch=2)


def logits(answers: list[list[int]], way: int = 3) -> Tensor:
    """[T, Q, way], whose largest number is at the given labels."""
    return torch.nn.functional.one_hot(torch.tensor(answers), way).double()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([0, 0, 1, 2, 2, 0], 1),  # shares 1, 0.5 and 0.5: of equals, the first
        ([0, 1, 1, 1, 0, 1], 2),  # 0.5, 1, 0
        ([1, 2, 0, 2, 0, 1], 0),  # all wrong
        ([0, 0, 1, 1, 2, 2], 0),  # all right
        ([0, 0, 1, 1, 2, 0], 2),
    ],
)
def test_the_weakest_class_by_hand(answers: list[int], expected: int) -> None:
    labels = torch.tensor([[0, 0, 1, 1, 2, 2]])
    assert weakest(logits([answers]), labels, 3).tolist() == [expected]


def test_the_weakest_of_several_tasks_where_classes_have_different_numbers_of_images() -> None:
    """A class without an image is never the weakest."""
    labels = torch.tensor([[0, 0, 0, 0, 1, 1], [2, 2, 1, 1, 1, 1]])
    found = weakest(logits([[0, 0, 0, 1, 1, 0], [2, 0, 1, 0, 0, 0]]), labels, 3)
    assert found.tolist() == [1, 1]  # 3/4 against 1/2 with none of class 2; 1/4 against 1/2 with none of class 0


def test_when_tasks_are_hard_by_hand() -> None:
    """20 tasks, then 3 hard ones, and so on; without hard tasks, never."""
    hard = HardTasks.of(SETTINGS)
    assert hard == HardTasks(20, 3, 2)
    assert [number for number in range(70) if hard.due(number)] == [20, 21, 22, 43, 44, 45, 66, 67, 68]
    assert [hard.left(number) for number in (0, 1, 19, 20, 22, 23, 42, 43)] == [20, 19, 1, 3, 1, 20, 1, 3]
    assert HardTasks.of(SETTINGS.replace(hard_tasks=0)) is None


def test_what_is_kept_by_hand() -> None:
    hard, kept = HardTasks(after=4, count=2, way=3), list[int]()
    hard.keep(kept, 0, torch.tensor([7, 5]))
    hard.keep(kept, 2, torch.tensor([5, 6]))
    assert sorted(kept) == [5, 6, 7]
    assert hard.among(kept, 3) == () and hard.among(kept, 4) == (5, 6, 7)
    assert hard.among([5, 6], 4) == ()  # fewer than a task has
    hard.keep(kept, 4, torch.tensor([1]))  # of a hard task, nothing is kept
    assert sorted(kept) == [5, 6, 7]
    hard.keep(kept, 5, torch.tensor([1]))
    assert kept == []


class Told(Learner):
    """Names task n's class n modulo `classes` as the weakest; keeps what it was shown."""

    def __init__(self, classes: int) -> None:
        self.classes, self.seen = classes, list[Tensor]()

    def fit(self, parameters: Any, support: Any) -> Any:
        raise AssertionError("there is no validation")

    fitted = fit

    def meta_gradient(self, parameters: Any, batch: TaskBatch, progress: float) -> MetaGradient:
        assert batch.classes is not None
        self.seen.append(batch.classes)
        zeros = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        losses = torch.zeros(len(batch))
        return MetaGradient(zeros, losses, losses, batch.classes[:, 0] % self.classes)


def test_the_loop_draws_hard_tasks_of_kept_classes_in_meta_batches_of_their_own() -> None:
    asked: list[tuple[int, int, tuple[int, ...]]] = []

    def train(first: int, count: int, among: Sequence[int] = ()) -> TaskBatch:
        asked.append((first, count, tuple(among)))
        batch = pattern_tasks(first, count)
        numbers = torch.arange(first, first + count)[:, None].expand(count, batch.way)
        return TaskBatch(*batch.support, *batch.query, batch.way, classes=numbers)

    parameters = {"w": torch.zeros(2)}
    state = MetaState(parameters, adam(parameters, {}, AdamRule(0.1)))
    plan = Plan(tasks=13, meta_batch=2, validate_every=100, hard=HardTasks(after=5, count=3, way=4))
    tasks = Tasks(train, lambda: iter(()), hard=train)
    list(meta_learn(Told(4), state, tasks, plan))
    kept = (0, 1, 2, 3)
    assert asked[:5] == [(0, 2, ()), (2, 2, ()), (4, 1, ()), (5, 2, kept), (7, 1, kept)]
    assert asked[5:] == [(8, 2, ()), (10, 2, ()), (12, 1, ())]
    assert sorted(state.kept) == [0, 1, 2, 3]  # of tasks 8 to 12


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    splits = {"train": [5, 4, 4, 6, 5, 4], "val": [3, 3], "test": [3, 3]}
    return small_cache(tmp_path / "small-random-4.h5", splits)


def test_hard_episodes_hold_the_given_classes_alone(cache: ImageCache) -> None:
    tasks = HardEpisodes().tasks(cache, SETTINGS, CPU)
    among = [int(cache.classes("train")[position]) for position in (1, 3, 4)]
    assert tasks.hard is not None
    found = tasks.hard(20, 40, among)
    assert found.classes is not None
    assert set(found.classes.flatten().tolist()) == set(among)
    assert all(len(set(row)) == 2 for row in found.classes.tolist())
    part = tasks.hard(30, 2, among)
    assert part.classes is not None
    assert torch.equal(found.query_x[10:12], part.query_x) and torch.equal(found.classes[10:12], part.classes)
    other = HardEpisodes().tasks(cache, SETTINGS.replace(seed=1), CPU).hard
    assert other is not None and not torch.equal(other(20, 40, among).query_x, found.query_x)
    # The images are those of the classes: all pixels of a class are in its part of the cache.
    offset = cache.class_offset
    for task, row in enumerate(found.classes.tolist()):
        for label, number in enumerate(row):
            own = cache.load(torch.arange(int(offset[number]), int(offset[number + 1])).numpy())
            x = found.support_x[task, label].permute(1, 2, 0)
            pixels = x * torch.tensor(cache.std) + torch.tensor(cache.mean)
            assert any(torch.allclose(pixels, torch.from_numpy(one).float() / 255, atol=1e-5) for one in own)


def test_its_ordinary_tasks_are_those_of_all_methods(cache: ImageCache) -> None:
    found, usual = (stream.tasks(cache, SETTINGS, CPU).train(0, 6) for stream in (HardEpisodes(), Episodes()))
    assert torch.equal(found.support_x, usual.support_x) and torch.equal(found.query_x, usual.query_x)
    assert found.classes is not None and set(found.classes.flatten().tolist()) <= set(cache.classes("train").tolist())
    assert found.part([2]).classes is not None and torch.equal(found.part([2]).classes, found.classes[[2]])


def test_classes_that_the_split_does_not_have_are_refused(cache: ImageCache) -> None:
    hard = HardEpisodes().tasks(cache, SETTINGS, CPU).hard
    assert hard is not None
    for number in (int(cache.classes("val")[0]), 999, -1):
        with pytest.raises(CheckpointError, match=f"keeps class {number}, which is not in the split train"):
            hard(0, 1, [int(cache.classes("train")[0]), number])


def test_a_training_stopped_before_or_amid_hard_tasks_goes_on_to_the_same_bits() -> None:
    """20 tasks and 10 hard ones of 3-way tasks, in meta-batches of 2: stopped after 18 and after 24 tasks."""
    values = {
        "way": 3,
        "query": 2,
        "inner_steps": 1,
        "test_steps": 1,
        "alpha_inner": 0.2,
        "pretrain": 1,
        "order": "first",
    }
    values |= {"tasks": 36, "meta_batch": 2, "validate_every": 36, "hard_tasks": 10}
    settings = TrainSettings.from_dict({"dataset": "glyphs", **values, "method": "mtl"})
    declared, network, source = training_method("mtl"), network_for("mtl", 3, 1, SIDE, 2), tasks_for("mtl", 3)
    learner, plan = declared.learner(TorchEngine(), network, settings), Plan.of(settings)
    whole = declared.start(network, settings, CPU, "weights", source.classes)
    losses = [
        e.loss for e in declared.learn(network, settings, learner, whole, source, plan) if isinstance(e, StepDone)
    ]
    for stop in (18, 24):
        first, second = (declared.start(network, settings, CPU, "weights", source.classes) for _ in range(2))
        before = []
        for event in declared.learn(network, settings, learner, first, source, plan):
            before += [event.loss] if isinstance(event, StepDone) else []
            if first.tasks_done == stop:
                break
        assert len(first.kept) >= 3
        restore(to_checkpoint("training", first, {}), second)
        events = list(declared.learn(network, settings, learner, second, source, plan))
        assert before + [event.loss for event in events if isinstance(event, StepDone)] == losses
        assert all(torch.equal(tensor, whole.parameters[name]) for name, tensor in second.parameters.items())
        assert [e.accuracy for e in events if isinstance(e, Validated)] == [whole.history[-1]["accuracy"]]
        # Without what was kept it is another training.
        third = declared.start(network, settings, CPU, "weights", source.classes)
        restore(to_checkpoint("training", first, {}), third)
        third.kept.clear()
        list(declared.learn(network, settings, learner, third, source, plan))
        assert any(not torch.equal(tensor, whole.parameters[name]) for name, tensor in third.parameters.items())
