"""The phase before the meta-learning: classification by Adam, stopped anywhere and resumed to the same numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests import oracle
from tests.methods import class_pictures as pictures
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import DivergedError
from tnas_cli.methods import maml
from tnas_cli.methods.about import About
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.phase import Phase, pretrain
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.streams import LabelledBatches
from tnas_cli.runs.events import Progress, StepDone, Validated
from tnas_cli.settings.features import PRETRAINING
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv

CPU = torch.device("cpu")
SETTINGS = TrainSettings(
    "x", way=2, query=2, inner_steps=1, test_steps=1, tasks=4, meta_batch=2, validate_every=4, validation_tasks=2,
    pretrain=6,
)  # fmt: skip
NETWORK = FourConv(2, 1, 20, filters=2)
ABOUT = replace(maml.METHOD.about, name="maml after a phase", reads=maml.METHOD.about.reads | {PRETRAINING})
METHOD = replace(maml.METHOD, about=ABOUT, before=Phase(LabelledBatches(size=4)))


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    cache = pictures.characters(tmp_path / "signs-drawn-20.h5", {"train": 3, "val": 2, "test": 2}, images=5)
    return METHOD.tasks(cache, SETTINGS, CPU)


def begun(tasks: Tasks) -> MetaState:
    return METHOD.start(NETWORK, SETTINGS, CPU, classes=tasks.classes)


def test_the_weights_are_those_of_plain_classification(tasks: Tasks) -> None:
    """Adam on a copy, in double precision, whose rate is halved after half of the batches."""
    state = begun(tasks)
    assert state.phase is not None and tasks.labelled is not None
    head = state.phase.head
    w = {name: tensor.double().requires_grad_() for name, tensor in (state.parameters | head).items()}
    layer = {"classifier.weight": w["all_classes.weight"], "classifier.bias": w["all_classes.bias"]}
    body = [name for name in w if name.startswith("block.")]
    start = {name: tensor.clone() for name, tensor in state.parameters.items()}
    for tensor in (state.parameters | head).values():
        tensor.data = tensor.double()
    images = tasks.labelled
    optimiser = torch.optim.Adam([*(w[name] for name in body), *layer.values()], lr=1e-3)

    class InDouble:
        classes = images.classes

        def batch(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
            x, y = images.batch(number)
            return x.double(), y

    said = list(pretrain(NETWORK, state, InDouble(), 6, math.inf))  # type: ignore[arg-type]
    for number in range(6):
        optimiser.param_groups[0]["lr"] = 1e-3 if number < 3 else 5e-4
        x, y = images.batch(number)
        logits = oracle.four_conv_logits({name: w[name] for name in body} | layer, x.double())
        loss = F.cross_entropy(logits, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert said[number].values["loss"] == pytest.approx(float(loss.detach()), rel=1e-9)
    for name in (*body, "all_classes.weight", "all_classes.bias"):
        if not name.endswith("conv_bias"):  # which a norm takes away: its gradient is rounding
            torch.testing.assert_close((state.parameters | head)[name], w[name].detach(), rtol=1e-6, atol=1e-9)
    assert torch.equal(state.parameters["classifier.weight"].float(), start["classifier.weight"])
    assert state.phase is None and state.phase_seconds > 0


@pytest.mark.parametrize("stop_after", [1, 4, 6, 7])
def test_it_comes_once_and_goes_on_where_it_was_stopped(tasks: Tasks, stop_after: int) -> None:
    learner, plan = METHOD.learner(TorchEngine(), NETWORK, SETTINGS), Plan.of(SETTINGS)
    whole, stopped, resumed = begun(tasks), begun(tasks), begun(tasks)
    events = list(METHOD.learn(NETWORK, SETTINGS, learner, whole, tasks, plan))
    assert [type(event) for event in events] == [Progress] * 6 + [StepDone, StepDone, Validated]
    assert [(e.done, e.total, e.unit) for e in events if isinstance(e, Progress)] == [
        (done, 6, "batches") for done in range(1, 7)
    ]
    list(islice(METHOD.learn(NETWORK, SETTINGS, learner, stopped, tasks, plan), stop_after))
    restore(to_checkpoint("test", stopped, {}), resumed)
    rest = list(METHOD.learn(NETWORK, SETTINGS, learner, resumed, tasks, plan))
    assert len(rest) == len(events) - stop_after
    for name, tensor in whole.parameters.items():
        assert torch.equal(resumed.parameters[name], tensor), name
    ended = begun(tasks)
    restore(to_checkpoint("test", whole, {}), ended)
    assert ended.phase is None and ended.phase_seconds == whole.phase_seconds
    assert list(METHOD.learn(NETWORK, SETTINGS, learner, ended, tasks, plan)) == []


def test_it_takes_half_of_the_time_at_most(tasks: Tasks) -> None:
    state = begun(tasks)
    state.phase_seconds = 4.0
    assert tasks.labelled is not None
    (first, *_) = pretrain(NETWORK, state, tasks.labelled, 10**6, 8.1)
    assert (first.done, first.total) == (1, 1)
    assert state.phase is None and state.phase_seconds >= 4.05
    assert list(pretrain(NETWORK, state, tasks.labelled, 10**6, 8.1)) == []


def test_a_loss_that_is_not_finite_is_named_before_anything_moves(tasks: Tasks) -> None:
    state = begun(tasks)
    assert state.phase is not None
    state.phase.head["all_classes.bias"][0] = math.nan
    before = state.parameters["block.0.conv"].clone()
    assert tasks.labelled is not None
    with pytest.raises(DivergedError, match="the loss of batch 1 is nan"):
        next(pretrain(NETWORK, state, tasks.labelled, 6, math.inf))
    assert torch.equal(state.parameters["block.0.conv"], before)


def test_a_method_declares_the_phase_and_that_it_reads_its_setting() -> None:
    unread: About = maml.METHOD.about
    with pytest.raises(TypeError, match="if, and only if, it reads PRETRAINING"):
        TrainMethod(about=unread, learner=maml.METHOD.learner, before=Phase())
    with pytest.raises(TypeError, match="if, and only if, it reads PRETRAINING"):
        TrainMethod(about=ABOUT, learner=maml.METHOD.learner)
