"""LLAMA against a plain form: K-FAC's factors one image and one label at a time; slopes; what it refuses and learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.llama import DAMPING, Laplace, log_det
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.unrolled import Unrolled, is_norm, weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, for_tasks

NETWORK = FourConv(3, 1, 16, filters=4)
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 16, seed=1), *labelled(2, 3, 2, 1, 16, seed=2), way=3)
STEPS, ALPHA = 2, 0.05


def learner(eta: float, statistics: str = "query") -> Unrolled:
    values = {"alpha_inner": ALPHA, "inner_steps": STEPS, "test_steps": STEPS, "statistics": statistics}
    settings = TrainSettings.from_dict({"dataset": "x", "method": "llama", "way": 3, **values})
    made = training_method("llama").learner(TorchEngine(), NETWORK, settings)
    assert isinstance(made, Unrolled)
    return replace(made, beyond=Laplace(NETWORK, eta))


def plain_log_det(w: dict[str, Tensor], x: Tensor, measured: Tensor) -> Tensor:
    """log det H at the images x [N, C, H, W], block by block as a dense matrix: mean a a' (x) mean g g'."""
    moments: list[tuple[Tensor, Tensor]] = []

    def noting(y: Tensor, number: int) -> tuple[Tensor, Tensor]:
        moments.append(oracle.moments(y))
        return moments[-1]

    with oracle.normalised_by(noting):
        oracle.four_conv_logits(w, measured)
    seen: list[list[Tensor]] = [[] for _ in range(5)]
    spread = [torch.zeros(()).double()] * 5
    for image in x.split(1):
        outputs, y = [], image
        for block in range(4):
            padded = F.pad(y, (1, 1, 1, 1))
            for row in range(y.shape[2]):
                for column in range(y.shape[3]):
                    patch = padded[0, :, row : row + 3, column : column + 3].flatten()
                    seen[block].append(torch.cat([patch, patch.new_ones(1)]))
            outputs.append(F.conv2d(y, w[f"block.{block}.conv"], w[f"block.{block}.conv_bias"], padding=1))
            with oracle.normalised_by(lambda _, __, block=block: moments[block]):  # type: ignore[misc]
                normed = oracle.norm(outputs[-1], w[f"block.{block}.gain"], w[f"block.{block}.bias"])
            y = F.max_pool2d(F.relu(normed), 2)
        seen[4].append(torch.cat([y.flatten(), y.new_ones(1)]))
        outputs.append(F.linear(y.flatten(1), w["classifier.weight"], w["classifier.bias"]))
        log_p = torch.log_softmax(outputs[-1][0], dim=0)
        for label in range(3):
            found = torch.autograd.grad(log_p[label], outputs, create_graph=True)
            for number, g in enumerate(found):
                rows = g[0].reshape(g.shape[1], -1)  # a column for each position
                spread[number] = spread[number] + log_p[label].exp() * rows @ rows.T / len(x)
    total = torch.zeros(()).double()
    for rows, g in zip(seen, spread, strict=True):
        a = torch.stack(rows).T @ torch.stack(rows) / len(rows)
        a, g = (m + DAMPING * m.diagonal().mean() * torch.eye(len(m), dtype=m.dtype) for m in (a, g))
        total = total + torch.linalg.slogdet(torch.kron(a, g))[1]
    return total


def plain(w: dict[str, Tensor], task: int, eta: float, *, by_support: bool) -> Tensor:
    """The outer loss of a task: MAML's steps on all but the norms, and the term at their end."""
    now = dict(w)
    for _ in range(STEPS):
        loss = F.cross_entropy(oracle.four_conv_logits(now, BATCH.support_x[task]), BATCH.support_y[task])
        moving = [name for name in now if not is_norm(name)]
        for name, g in zip(moving, torch.autograd.grad(loss, [now[n] for n in moving], create_graph=True), strict=True):
            now[name] = now[name] - ALPHA * g
    x = BATCH.query_x[task]
    both = torch.cat([BATCH.support_x[task], x]) if by_support else x
    with oracle.normalised_by(oracle.of_first(3) if by_support else None):
        logits = oracle.four_conv_logits(now, both)[-len(x) :]
    term = plain_log_det(now, x, BATCH.support_x[task] if by_support else x)
    return F.cross_entropy(logits, BATCH.query_y[task]) + eta / 2 * term


@pytest.mark.parametrize("statistics", ["query", "support"])
def test_the_outer_gradient_is_that_of_the_plain_form(statistics: str) -> None:
    w, eta = parameters_of(NETWORK), 1e-2
    at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    total = sum(plain(at, task, eta, by_support=statistics == "support") for task in range(2))
    expected = dict(zip(at, torch.autograd.grad(total, list(at.values())), strict=True))  # type: ignore[arg-type]
    assert worst_relative_error(learner(eta, statistics).meta_gradient(w, BATCH, 0.0).gradients, expected) < 1e-6


def test_the_gradient_is_the_slope_of_the_whole_outer_loss() -> None:
    w, eta = parameters_of(NETWORK), 1.0

    def loss(there: Parameters) -> float:
        fitted = learner(eta).fit(there, BATCH.support)
        own = {name: tensor.detach().requires_grad_() for name, tensor in fitted.own.items()}
        losses = F.cross_entropy(fitted.transductive(BATCH.query_x).flatten(0, 1), BATCH.query_y.flatten())
        return float(2 * losses + Laplace(NETWORK, eta)(own, BATCH.query_x, None).detach().sum())

    gradients = learner(eta).meta_gradient(w, BATCH, 0.0).gradients
    check_slope(gradients, loss, w, step=1e-7)
    without = learner(0.0).meta_gradient(w, BATCH, 0.0).gradients
    assert worst_relative_error(gradients, without) > 0.1, "the term must matter here"


def test_a_determinant_is_that_of_the_dense_kronecker_product() -> None:
    generator = torch.Generator().manual_seed(0)
    a, g = (torch.randn(1, n, 9, generator=generator, dtype=torch.float64) for n in (3, 4))
    a, g = a @ a.mT, g @ g.mT
    damped = [(m + DAMPING * m[0].diagonal().mean() * torch.eye(m.shape[1]).double())[0] for m in (a, g)]
    expected = torch.linalg.slogdet(torch.kron(*damped))[1]
    torch.testing.assert_close(4 * log_det(a)[0] + 3 * log_det(g)[0], expected, rtol=1e-12, atol=0)
    assert bool(log_det(torch.zeros(1, 3, 3)).isfinite().all())


def test_its_weights_are_the_published_ones_and_norms_do_not_adapt() -> None:
    settings = TrainSettings("x", method="llama")
    assert weight_count(training_method("llama").shapes(FourConv(5, 3, 84, filters=64), settings)) == 121_093
    w = parameters_of(NETWORK)
    own = learner(0.0).fit(w, BATCH.support).own
    start = for_tasks(w, 2)
    same = {name for name in w if torch.equal(own[name], start[name])}
    # The gradient of a bias before batch norm is rounding, or exactly zero.
    assert {n for n in same if not n.endswith("conv_bias")} == {name for name in w if is_norm(name)}


def test_other_networks_are_refused() -> None:
    network, settings = DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4), TrainSettings("x", method="llama")
    with pytest.raises(SettingsError, match="not of a DecodedNetwork") as caught:
        training_method("llama").shapes(network, settings)
    assert "4conv-64" in caught.value.hint


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 5, "alpha_outer": 1e-2, "meta_batch": 2, "tasks": 100, "validate_every": 100}
    values |= {"inner_steps": 2, "test_steps": 2, "alpha_inner": 0.2}
    assert above_nearest_neighbour("llama", FourConv(5, 1, SIDE, filters=8), values) > 0.05
