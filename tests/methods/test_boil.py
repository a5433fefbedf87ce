"""BOIL against a plain form, one task and one step at a time; what it learns; a head for another number of classes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.registry import about, training_method
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv

NETWORK = FourConv(3, 1, 20, filters=8)
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)
HEAD = {"classifier.weight", "classifier.bias"}
ALPHA, STEPS = 0.05, 2


def learner(engine: Engine, order: str = "first") -> Learner:
    steps = {"alpha_inner": ALPHA, "inner_steps": STEPS, "test_steps": STEPS}
    settings = TrainSettings.from_dict({"dataset": "x", "method": "boil", "way": 3, "order": order, **steps})
    return training_method("boil").learner(engine, NETWORK, settings)


def plain(
    w: dict[str, Tensor], *, second_order: bool
) -> tuple[dict[str, Tensor], list[Tensor], list[dict[str, Tensor]]]:
    """The outer gradient summed over the tasks of BATCH, the query losses, and what each task adapted to."""
    total = {name: torch.zeros_like(tensor) for name, tensor in w.items()}
    losses, adapted = [], []
    for task in range(2):
        start = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
        now = dict(start)
        for _ in range(STEPS):
            loss = F.cross_entropy(oracle.four_conv_logits(now, BATCH.support_x[task]), BATCH.support_y[task])
            body = [name for name in now if name not in HEAD]
            found = torch.autograd.grad(loss, [now[name] for name in body], create_graph=True)
            for name, gradient in zip(body, found, strict=True):
                now[name] = now[name] - ALPHA * (gradient if second_order else gradient.detach())
        loss = F.cross_entropy(oracle.four_conv_logits(now, BATCH.query_x[task]), BATCH.query_y[task])
        for name, gradient in zip(start, torch.autograd.grad(loss, list(start.values())), strict=True):
            total[name] += gradient
        losses.append(loss.detach())
        adapted.append({name: tensor.detach() for name, tensor in now.items()})
    return total, losses, adapted


@pytest.mark.parametrize(
    ("engine", "order"),
    [(TorchEngine(), "first"), (TorchEngine(), "second"), (FusedEngine(threads=1), "first")],
    ids=["torch", "torch, second order", "fused"],
)
def test_the_outer_gradient_is_that_of_the_plain_form(engine: Engine, order: str) -> None:
    w = parameters_of(NETWORK)
    found = learner(engine, order).meta_gradient(w, BATCH, 0.0)
    gradients, losses, adapted = plain(w, second_order=order == "second")
    assert worst_relative_error(found.gradients, gradients) < 1e-8
    torch.testing.assert_close(found.query_losses, torch.stack(losses), rtol=1e-10, atol=0)
    own = learner(engine).fit(w, BATCH.support).own
    for task in range(2):
        assert worst_relative_error({name: t[task] for name, t in own.items()}, adapted[task]) < 1e-9
        assert all(torch.equal(own[name][task], w[name]) for name in HEAD)
        assert all(not torch.equal(own[name][task], w[name]) for name in w if name.endswith(".conv"))


def test_its_weights_are_those_of_maml_and_its_values_those_of_the_publication() -> None:
    network = FourConv(5, 3, 84)
    settings = TrainSettings.from_dict({"dataset": "x", "method": "boil", **about("boil").differs})
    assert weight_count(training_method("boil").shapes(network, settings)) == 32_901
    assert (settings.alpha_inner, settings.inner_steps, settings.test_steps) == (0.5, 1, 1)


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 5, "alpha_outer": 5e-3, "tasks": 600, "validate_every": 300}
    network = FourConv(5, 1, SIDE, filters=16)
    assert above_nearest_neighbour("boil", network, values, FusedEngine(threads=1)) > 0.05


@pytest.mark.parametrize("way", [2, 6, 30])
def test_a_head_for_another_number_of_classes_has_rows_that_differ(way: int) -> None:
    w = parameters_of(NETWORK)
    other, settings = FourConv(way, 1, 20, filters=8), TrainSettings("x", method="boil", way=way)
    changed = training_method("boil").with_way(w, training_method("boil").shapes(other, settings))
    again = training_method("boil").with_way(w, training_method("boil").shapes(other, settings))
    assert {name: tuple(t.shape) for name, t in changed.items()} == {n: s.shape for n, s in other.specs().items()}
    assert all(torch.equal(changed[name], w[name]) for name in w if name not in HEAD)
    assert all(torch.equal(changed[name], again[name]) for name in w)
    kept, rows = min(way, 3), changed["classifier.weight"]
    assert torch.equal(rows[:kept], w["classifier.weight"][:kept])
    assert float(torch.pdist(rows).min()) > 0
    mean = w["classifier.weight"].mean(0)
    far = (w["classifier.weight"] - mean).norm(dim=1).mean().expand(way - kept)
    torch.testing.assert_close((rows[kept:] - mean).norm(dim=1), far)


def test_with_the_way_of_the_checkpoint_nothing_changes() -> None:
    w = parameters_of(NETWORK)
    changed = training_method("boil").with_way(w, NETWORK.specs())
    assert all(torch.equal(changed[name], w[name]) for name in w)


def test_the_body_learns_a_task_with_more_classes() -> None:
    w, other = parameters_of(NETWORK), FourConv(6, 1, 20, filters=8)
    settings = TrainSettings("x", method="boil", way=6, alpha_inner=0.1, test_steps=10)
    changed = training_method("boil").with_way(w, other.specs())
    support = labelled(1, 6, 1, 1, 20, seed=3)
    losses = training_method("boil").learner(TorchEngine(), other, settings).fit(changed, support).support_losses
    assert float(losses[0, -1]) < 0.7 * float(losses[0, 0])
