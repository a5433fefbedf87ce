"""Reptile against a plain form: one task, one mini-batch and one of torch's Adam steps at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.registry import about, training_method
from tnas_cli.methods.reptile import Reptile, in_turn, mini_batch
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.update import outer

NETWORK = FourConv(3, 1, 20, filters=8)
#: 3 classes of 2 + 3 images: mini-batches of 10 begin anew in the middle of the 15 images.
BATCH = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 3, 1, 20, seed=2), way=3)
SETTINGS = TrainSettings.from_dict(
    {"dataset": "x", "way": 3, **about("reptile").differs, "method": "reptile", "inner_steps": 3, "test_steps": 4}
)


def learner(engine: Engine) -> Learner:
    return training_method("reptile").learner(engine, NETWORK, SETTINGS)


def plain(w: dict[str, Tensor], x: Tensor, y: Tensor, steps: int, size: int) -> dict[str, Tensor]:
    """Where one task of class-by-class images ends, by torch's own Adam with beta_1 = 0."""
    per_class = [(y == label).nonzero()[:, 0].tolist() for label in range(3)]
    order = [images[k] for k in range(max(map(len, per_class))) for images in per_class if k < len(images)]
    now = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    adam = torch.optim.Adam(list(now.values()), lr=1e-3, betas=(0.0, 0.999))
    at = 0
    for _ in range(steps):
        chosen = [order[(at + i) % len(order)] for i in range(min(size, len(order)))]
        at += len(chosen)
        adam.zero_grad()
        F.cross_entropy(oracle.four_conv_logits(now, x[chosen]), y[chosen]).backward()
        adam.step()
    return {name: tensor.detach() for name, tensor in now.items()}


def counted(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without biases in front of a batch norm, whose gradients are rounding errors that Adam makes large."""
    return {name: tensor for name, tensor in values.items() if not name.endswith("conv_bias")}


@pytest.mark.parametrize("engine", [TorchEngine(), FusedEngine(threads=1)], ids=["torch", "fused"])
def test_the_outer_step_goes_towards_the_mean_of_the_tasks_ends(engine: Engine) -> None:
    w = parameters_of(NETWORK)
    found = learner(engine).meta_gradient(w, BATCH, 0.0)
    ends = []
    for task in range(2):
        x = torch.cat([BATCH.support_x[task], BATCH.query_x[task]])
        ends.append(plain(w, x, torch.cat([BATCH.support_y[task], BATCH.query_y[task]]), 3, 10))
    expected = {name: sum(w[name] - end[name] for end in ends) for name in w}
    assert worst_relative_error(counted(found.gradients), counted(expected)) < 1e-6
    moved = {name: tensor.clone() for name, tensor in w.items()}
    by = training_method("reptile").optimiser(moved, SETTINGS)
    outer.step(by, moved, {name: gradient / 2 for name, gradient in found.gradients.items()})
    mean = {name: (ends[0][name] + ends[1][name]) / 2 for name in w}  # eps begins at 1
    assert worst_relative_error(counted(moved), counted(mean)) < 1e-6


def test_a_new_task_takes_the_steps_for_testing_on_its_support_images() -> None:
    w = parameters_of(NETWORK, 3)
    adapted = learner(TorchEngine()).fit(w, BATCH.support)
    for task in range(2):
        end = plain(w, BATCH.support_x[task], BATCH.support_y[task], 4, 15)
        assert worst_relative_error({name: tensor[task] for name, tensor in adapted.own.items()}, end) < 1e-6


def test_mini_batches_take_the_classes_in_turn_and_begin_again() -> None:
    y = torch.tensor([[0, 0, 0, 1, 2, 2]])
    images, labels = in_turn((torch.arange(6).reshape(1, 6), y), 3)
    assert images.tolist() == [[0, 3, 4, 1, 5, 2]] and labels.tolist() == [[0, 1, 2, 0, 2, 0]]
    assert [mini_batch((images, labels), step, 4)[0].tolist()[0] for step in range(2)] == [[0, 3, 4, 1], [5, 2, 0, 3]]
    assert mini_batch((images, labels), 0, 15)[1].tolist() == labels.tolist()


def test_published_values() -> None:
    found = TrainSettings.from_dict({"dataset": "x", **about("reptile").differs, "method": "reptile"})
    made = training_method("reptile").learner(TorchEngine(), NETWORK, found)
    assert isinstance(made, Reptile)
    assert (made.alpha, made.steps, made.test_steps) == (1e-3, 8, 50)
    assert (found.alpha_outer, found.cosine_to, found.meta_batch, found.reduction) == (1.0, 0.0, 5, "mean")
