"""CAVIA against a plain form, one task and one step of the context at a time; slopes; its size; what it learns."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled, worst_relative_error
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.cavia import CONTEXT, Cavia
from tnas_cli.methods.registry import about, training_method
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, draw

NETWORK = FourConv(3, 1, 20, filters=8)
BATCH = TaskBatch(*labelled(2, 3, 2, 1, 20, seed=1), *labelled(2, 3, 3, 1, 20, seed=2), way=3)
ALPHA, STEPS = 2.0, 3


def settings_of(**values: object) -> TrainSettings:
    given = {"dataset": "x", "way": 3, **about("cavia").differs, "method": "cavia"}
    return TrainSettings.from_dict({**given, "alpha_inner": ALPHA, "inner_steps": STEPS, "test_steps": STEPS, **values})


def learner(**values: object) -> Cavia:
    made = training_method("cavia").learner(TorchEngine(), NETWORK, settings_of(**values))
    assert isinstance(made, Cavia)
    return made


def weights() -> Parameters:
    """In float64, with every gain and bias moved away from its start."""
    generator = torch.Generator().manual_seed(0)
    drawn = {n: t.double() for n, t in draw(training_method("cavia").shapes(NETWORK, settings_of()), generator).items()}
    for name, tensor in drawn.items():
        if name.endswith((".gain", ".bias")):
            tensor += 0.2 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return drawn


def plain_logits(w: Parameters, phi: Tensor, x: Tensor) -> Tensor:
    """Images [N, C, H, W] through the four blocks, one after another, with the context in the third."""
    for i in range(4):
        y = F.conv2d(x, w[f"block.{i}.conv"], w[f"block.{i}.conv_bias"], padding=1)
        y = F.batch_norm(y, None, None, w[f"block.{i}.gain"], w[f"block.{i}.bias"], training=True)
        if i == 2:
            gamma = F.linear(phi, w["film.gamma.weight"], w["film.gamma.bias"])
            beta = F.linear(phi, w["film.beta.weight"], w["film.beta.bias"])
            y = gamma[None, :, None, None] * y + beta[None, :, None, None]
        x = F.max_pool2d(F.relu(y), 2)
    return F.linear(x.flatten(1), w["classifier.weight"], w["classifier.bias"])


def plain(w: Parameters, task: int, *, second_order: bool = True) -> tuple[Tensor, Tensor]:
    """The query loss of a task after its steps, and its context."""
    phi = torch.zeros(CONTEXT, dtype=torch.float64, requires_grad=True)
    for _ in range(STEPS):
        loss = F.cross_entropy(plain_logits(w, phi, BATCH.support_x[task]), BATCH.support_y[task])
        (gradient,) = torch.autograd.grad(loss, phi, create_graph=second_order)
        phi = phi - ALPHA * gradient
    return F.cross_entropy(plain_logits(w, phi, BATCH.query_x[task]), BATCH.query_y[task]), phi


@pytest.mark.parametrize("order", ["second", "first"])
def test_the_outer_gradient_is_that_of_the_plain_form(order: str) -> None:
    at = {name: tensor.clone().requires_grad_() for name, tensor in weights().items()}
    losses, contexts = zip(*(plain(at, task, second_order=order == "second") for task in range(2)), strict=True)
    expected = dict(zip(at, torch.autograd.grad(sum(losses), list(at.values())), strict=True))
    found = learner(order=order).meta_gradient(weights(), BATCH, 0.0)
    assert worst_relative_error(found.gradients, expected) < 1e-7
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-10, atol=0)
    fitted = learner().fit(weights(), BATCH.support)
    for task, phi in enumerate(contexts):
        alone = plain_logits(weights(), phi.detach(), BATCH.query_x[task])
        torch.testing.assert_close(fitted.transductive(BATCH.query_x)[task], alone, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("statistics", ["query", "support"])
def test_the_gradient_is_the_slope_of_the_outer_loss(statistics: str) -> None:
    made = learner(statistics=statistics)

    def loss(w: Parameters) -> float:
        logits = made.fit(w, BATCH.support).as_trained(BATCH.query_x)
        return float(F.cross_entropy(logits.flatten(0, 1), BATCH.query_y.flatten()) * 2)

    check_slope(made.meta_gradient(weights(), BATCH, 0.0).gradients, loss, weights())


def test_a_task_has_a_third_block_of_its_own_and_nothing_else() -> None:
    w = weights()
    own = learner().fit(w, BATCH.support).own
    assert set(own) == set(NETWORK.specs())
    assert {n for n in own if not torch.equal(own[n], w[n].expand_as(own[n]))} == {"block.2.gain", "block.2.bias"}
    assert not torch.equal(own["block.2.gain"][0], own["block.2.gain"][1])


def test_its_size_and_published_values() -> None:
    declared = training_method("cavia")
    settings = TrainSettings.from_dict({"dataset": "x", **about("cavia").differs, "method": "cavia"})
    assert weight_count(declared.shapes(FourConv(5, 3, 84), settings)) == 32_901 + 2 * 32 * (100 + 1)
    assert (settings.alpha_inner, settings.inner_steps, settings.test_steps, settings.order) == (1.0, 2, 2, "second")
    assert settings.alpha_outer == 1e-3
    state = declared.start(FourConv(5, 3, 84), settings, torch.device("cpu"))
    assert bool(((state.parameters["film.gamma.bias"] - 1).abs() <= 0.1).all())


def test_other_networks_are_refused() -> None:
    network = DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4)
    with pytest.raises(SettingsError, match="not a DecodedNetwork") as caught:
        training_method("cavia").shapes(network, settings_of())
    assert "4conv-64" in caught.value.hint


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 3 points on 5-way 1-shot tasks of glyphs of other classes (with 600 tasks, 5 to 11 with three seeds);
    the published rate of 1 takes longer."""
    values = {"query": 5, "alpha_inner": 20.0, "alpha_outer": 5e-3, "meta_batch": 2, "tasks": 800}
    values |= {"validate_every": 200}
    assert above_nearest_neighbour("cavia", FourConv(5, 1, SIDE), values) > 0.03
