"""Bilevel programming against logistic regression written out, one task and one step at a time; what it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE, glyph_tasks
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.registry import about, training_method
from tnas_cli.methods.unrolled import RATE, weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters

NETWORK = FourConv(3, 1, 20, filters=8)
BATCH = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)
BODY = {name: tensor for name, tensor in parameters_of(NETWORK).items() if not name.startswith("classifier.")}
ALPHA, STEPS = 0.3, 3


def learner(engine: Engine, order: str = "second") -> Learner:
    steps = {"alpha_inner": ALPHA, "inner_steps": STEPS, "test_steps": STEPS}
    settings = TrainSettings.from_dict({"dataset": "x", "method": "bilevel", "way": 3, "order": order, **steps})
    return training_method("bilevel").learner(engine, NETWORK, settings)


def features(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """What the linear layer of the oracle's 4CONV sees, with a column of ones for the bias: [N, 9]."""
    same = {"classifier.weight": torch.eye(8, dtype=torch.float64), "classifier.bias": torch.zeros(8).double()}
    return torch.cat([oracle.four_conv_logits({**w, **same}, x), x.new_ones(len(x), 1)], dim=1)


def plain(w: dict[str, Tensor], task: int, *, second_order: bool = True) -> tuple[Tensor, Tensor]:
    """The query loss of a task after its logistic regression, and the layer [3, 9] with its bias."""
    h, y = features(w, BATCH.support_x[task]), torch.eye(3, dtype=torch.float64)[BATCH.support_y[task]]
    h = h if second_order else h.detach()
    layer = torch.zeros(3, 9, dtype=torch.float64)
    for _ in range(STEPS):
        odds = (h @ layer.T).exp()
        layer = layer - ALPHA * (odds / odds.sum(1, keepdim=True) - y).T @ h / len(h)
    return F.cross_entropy(features(w, BATCH.query_x[task]) @ layer.T, BATCH.query_y[task]), layer


@pytest.mark.parametrize(
    ("engine", "order"),
    [(TorchEngine(), "second"), (TorchEngine(), "first"), (FusedEngine(threads=1), "first")],
    ids=["torch", "torch, first order", "fused"],
)
def test_the_outer_gradient_is_that_of_the_plain_form(engine: Engine, order: str) -> None:
    at = {name: tensor.clone().requires_grad_() for name, tensor in BODY.items()}
    losses, layers = zip(*(plain(at, task, second_order=order == "second") for task in range(2)), strict=True)
    expected = dict(zip(at, torch.autograd.grad(sum(losses), list(at.values())), strict=True))
    found = learner(engine, order).meta_gradient(BODY, BATCH, 0.0)
    assert worst_relative_error(found.gradients, expected) < 1e-7
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-10, atol=0)
    own = learner(engine).fit(BODY, BATCH.support).own
    for task, layer in enumerate(layers):
        torch.testing.assert_close(own["classifier.weight"][task], layer[:, :-1].detach(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(own["classifier.bias"][task], layer[:, -1].detach(), rtol=1e-9, atol=1e-12)
        assert all(torch.equal(own[name][task], BODY[name]) for name in BODY)


def test_the_gradient_is_the_slope_of_the_outer_loss() -> None:
    def loss(w: Parameters) -> float:
        logits = learner(TorchEngine()).fit(w, BATCH.support).transductive(BATCH.query_x)
        return float(F.cross_entropy(logits.flatten(0, 1), BATCH.query_y.flatten()) * 2)

    check_slope(learner(TorchEngine()).meta_gradient(BODY, BATCH, 0.0).gradients, loss, BODY)


def test_its_weights_are_the_published_ones_but_for_biases_and_gains() -> None:
    settings = TrainSettings.from_dict({"dataset": "x", "method": "bilevel", **about("bilevel").differs})
    shapes = training_method("bilevel").shapes(FourConv(5, 3, 84), settings)
    assert weight_count(shapes) == 28_640 + 4 * 32 + 4 * 32
    assert (settings.order, settings.alpha_inner, settings.inner_steps, settings.meta_batch) == ("second", 0.1, 5, 4)


@pytest.mark.parametrize("rates", ["step", "weight"])
def test_the_rates_of_the_layer_can_be_learned_and_fit_another_way(rates: str) -> None:
    method = training_method("bilevel")
    settings = TrainSettings.from_dict({"dataset": "x", "method": "bilevel", "way": 3, "learned_rates": rates})
    state = method.start(NETWORK, settings, torch.device("cpu"))
    of_rates = {name for name in state.parameters if name.startswith(RATE)}
    assert of_rates == {RATE + "classifier.weight", RATE + "classifier.bias"}
    found = method.learner(TorchEngine(), NETWORK, settings).meta_gradient(state.parameters, glyph_tasks(0, 2), 0.0)
    assert set(found.gradients) == set(state.parameters)
    assert all(bool(found.gradients[name].abs().max() > 0) for name in of_rates)
    other = FourConv(5, 1, 20, filters=8)
    changed = method.with_way(state.parameters, method.shapes(other, settings.replace(way=5)))
    own = method.learner(TorchEngine(), other, settings.replace(way=5)).fit(changed, glyph_tasks(0, 1, way=5).support)
    assert own.own["classifier.weight"].shape == (1, 5, 8)


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 5, "alpha_outer": 5e-3, "meta_batch": 2, "tasks": 120, "validate_every": 120}
    assert above_nearest_neighbour("bilevel", FourConv(5, 1, SIDE, filters=16), values) > 0.05
