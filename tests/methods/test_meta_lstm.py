"""Meta-LSTM against a plain form, one coordinate and one step at a time; slopes; running moments; what it learns."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE, glyph_tasks
from tests.helpers import AUTO_MAML_1SHOT
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import check_slope, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DivergedError
from tnas_cli.methods.meta_lstm import ENTER, FORGET, LSTM, OPTIMISER, MetaLSTM, preprocessed
from tnas_cli.methods.registry import about, training_method
from tnas_cli.methods.running_moments import specs_of_moments
from tnas_cli.methods.unrolled import weight_count
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, draw

NETWORK = FourConv(3, 1, 20, filters=8)
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)
STEPS = 3


def parameters() -> dict[str, Tensor]:
    """The start, with an LSTM of larger numbers and a forgetting of about 0.9, so that all of it has an effect."""
    drawn = draw(OPTIMISER, torch.Generator().manual_seed(7))
    mine = {name: t.double() if name.endswith("_bias") and name != f"{LSTM}.gate_bias" else 20 * t.double()
            for name, t in drawn.items()}  # fmt: skip
    mine[f"{FORGET}_bias"] -= 2
    mine[f"{ENTER}_bias"] += 2
    return mine | parameters_of(NETWORK)


def squashed(v: float) -> list[float]:
    """p(v)."""
    return [math.log(abs(v)) / 10, math.copysign(1, v)] if abs(v) >= math.exp(-10) else [-1.0, math.exp(10) * v]


def plain(w: dict[str, Tensor], task: int, steps: int) -> tuple[dict[str, Tensor], list[list[tuple[Tensor, Tensor]]]]:
    """The weights after the steps, and the moments of every norm in each support pass."""
    names = [name for name in w if name not in OPTIMISER]
    theta = {name: w[name] for name in names}
    cells = {name: (w[name].new_zeros(w[name].numel(), 20),) * 2 for name in names}
    gates = {name: (w[name].new_zeros(w[name].numel()),) * 2 for name in names}
    passes = []
    for _ in range(steps):
        met: list[tuple[Tensor, Tensor]] = []

        def noting(x: Tensor, number: int, met: list[tuple[Tensor, Tensor]] = met) -> tuple[Tensor, Tensor]:
            met.append(oracle.moments(x))
            return met[-1]

        at = {name: t.detach().requires_grad_() for name, t in theta.items()}
        with oracle.normalised_by(noting):
            loss = F.cross_entropy(oracle.four_conv_logits(at, BATCH.support_x[task]), BATCH.support_y[task])
        gradients = torch.autograd.grad(loss, [at[name] for name in names])
        passes.append([(mean.detach(), variance.detach()) for mean, variance in met])
        for name, gradient in zip(names, gradients, strict=True):
            g = gradient.flatten()
            x = torch.tensor([[*squashed(v), *squashed(float(loss.detach()))] for v in g.tolist()], dtype=torch.float64)
            h, c = cells[name]
            i, f, o, n = (w[f"{LSTM}.input"][k * 20 : k * 20 + 20] for k in (0, 1, 3, 2))
            ri, rf, ro, rn = (w[f"{LSTM}.recurrent"][k * 20 : k * 20 + 20] for k in (0, 1, 3, 2))
            bi, bf, bo, bn = (w[f"{LSTM}.gate_bias"][k * 20 : k * 20 + 20] for k in (0, 1, 3, 2))
            enters, leaves = torch.sigmoid(x @ i.T + h @ ri.T + bi), torch.sigmoid(x @ o.T + h @ ro.T + bo)
            c = torch.sigmoid(x @ f.T + h @ rf.T + bf) * c + enters * torch.tanh(x @ n.T + h @ rn.T + bn)
            h = leaves * torch.tanh(c)
            before = theta[name].flatten()
            forget = h @ w[FORGET][:20] + w[FORGET][20] * before + w[FORGET][21] * gates[name][0] + w[f"{FORGET}_bias"]
            enter = h @ w[ENTER][:20] + w[ENTER][20] * before + w[ENTER][21] * gates[name][1] + w[f"{ENTER}_bias"]
            cells[name], gates[name] = (h, c), (forget, enter)
            theta[name] = (torch.sigmoid(forget) * before - torch.sigmoid(enter) * g).view_as(gradient)
    return theta, passes


@pytest.mark.parametrize("engine", [TorchEngine(), FusedEngine(threads=1)], ids=["torch", "fused"])
def test_the_outer_gradient_is_that_of_the_plain_form(engine: Engine) -> None:
    w = parameters()
    found = MetaLSTM(engine, NETWORK, STEPS, STEPS).meta_gradient(w, BATCH, 0.0)
    at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    losses = []
    for task in range(2):
        theta, _ = plain(at, task, STEPS)
        losses.append(F.cross_entropy(oracle.four_conv_logits(theta, BATCH.query_x[task]), BATCH.query_y[task]))
    expected = dict(zip(at, torch.autograd.grad(losses[0] + losses[1], list(at.values())), strict=True))
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-9, atol=0)
    assert worst_relative_error(found.gradients, expected) < 1e-6


def test_tasks_adapt_and_their_running_moments_are_those_of_the_plain_form() -> None:
    w = parameters()
    fitted = MetaLSTM(TorchEngine(), NETWORK, STEPS, STEPS).fit(w, BATCH.support)
    for task in range(2):
        theta, passes = plain(w, task, STEPS)
        assert worst_relative_error({name: t[task] for name, t in fitted.weights.items()}, theta) < 1e-8
        running = [[torch.zeros_like(mean), torch.ones_like(variance)] for mean, variance in passes[0]]
        for one in passes:
            running = [[0.1 * old + 0.9 * new for old, new in zip(*norm, strict=True)]
                       for norm in zip(running, one, strict=True)]  # fmt: skip
        with oracle.normalised_by(lambda x, number, running=running: tuple(running[number])):
            answers = oracle.four_conv_logits(theta, BATCH.query_x[task])
        torch.testing.assert_close(fitted.inductive(BATCH.query_x)[task], answers, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(
            fitted.transductive(BATCH.query_x)[task], oracle.four_conv_logits(theta, BATCH.query_x[task])
        )


def test_the_gradient_of_the_optimiser_is_the_slope_of_the_loss() -> None:
    """The network's gradients count as constants, so the LSTM alone is moved, over one step."""
    w, learner = parameters(), MetaLSTM(TorchEngine(), NETWORK, 1, 1)

    def loss(at: Parameters) -> float:
        logits = learner.fit(at, BATCH.support).transductive(BATCH.query_x)
        return float(F.cross_entropy(logits.flatten(0, 1), BATCH.query_y.flatten()) * 2)

    check_slope(learner.meta_gradient(w, BATCH, 0.0).gradients, loss, w, step=1e-7, moved=OPTIMISER)


def test_numbers_before_the_lstm() -> None:
    values = [0.5, -0.5, math.exp(-10), 1e-5, -1e-6, 0.0, 3e4]
    found = preprocessed(torch.tensor(values, dtype=torch.float64)).tolist()
    for value, pair in zip(values, found, strict=True):
        expected = [-1.0, 0.0] if value == 0 else [-1.0, 1.0] if value == math.exp(-10) else squashed(value)
        assert pair == pytest.approx(expected)


def test_weights_values_and_start_are_the_published_ones() -> None:
    method, network = training_method("meta-lstm"), FourConv(5, 3, 84)
    settings = TrainSettings.from_dict({"dataset": "x", "method": "meta-lstm", **about("meta-lstm").differs})
    assert weight_count(method.shapes(network, settings)) == 34_947 == 32_901 + 2_000 + 46
    assert (settings.inner_steps, settings.test_steps, settings.meta_batch) == (12, 12, 1)
    start = method.start(NETWORK, settings, torch.device("cpu")).parameters
    assert 4 < float(start[f"{FORGET}_bias"]) < 5 and -5 < float(start[f"{ENTER}_bias"]) < -4
    assert all(0.005 < float(start[name].abs().max()) <= 0.01 for name in OPTIMISER if not name.endswith("r_bias")
               and not name.endswith("t_bias"))  # fmt: skip
    batch = glyph_tasks(0, 1)
    own = method.learner(TorchEngine(), NETWORK, settings).fit(start, batch.support).own
    assert (
        {n: s.shape for n, s in method.own(NETWORK, settings, 20).items()}
        == {  # type: ignore[misc]
            name: tuple(tensor.shape[1:]) for name, tensor in own.items()
        }
    )


def test_the_outer_gradient_is_cut() -> None:
    method, settings = training_method("meta-lstm"), TrainSettings("x", method="meta-lstm")
    tensor = torch.zeros(4)
    optimiser = method.optimiser({"w": tensor}, settings)
    tensor.grad = torch.full((4,), 3.0)
    optimiser.step()
    assert float(tensor.grad.norm()) == pytest.approx(0.25)


def test_the_moments_of_a_genotype_are_known_without_computing() -> None:
    network = DecodedNetwork(AUTO_MAML_1SHOT, 3, 1, channels=4)
    settings = TrainSettings("x", way=3, method="meta-lstm", inner_steps=1, test_steps=1)
    method = training_method("meta-lstm")
    state = method.start(network, settings, torch.device("cpu"))
    own = method.learner(TorchEngine(), network, settings).fit(state.parameters, glyph_tasks(0, 1).support).own
    found = specs_of_moments(network, SIDE)
    assert found and {name: spec.shape for name, spec in found.items()} == {n: tuple(own[n].shape[1:]) for n in found}


def test_a_task_that_diverges_is_named() -> None:
    w = parameters()
    w["classifier.bias"] = w["classifier.bias"] * math.inf
    with pytest.raises(DivergedError, match="support loss"):
        MetaLSTM(TorchEngine(), NETWORK, 1, 1).fit(w, BATCH.support)


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 5, "alpha_outer": 5e-3, "tasks": 300, "validate_every": 300, "meta_batch": 2}
    values |= {"inner_steps": 3, "test_steps": 3, "cosine_to": 0.02, "seed": 2}
    network = FourConv(5, 1, SIDE, filters=8)
    assert above_nearest_neighbour("meta-lstm", network, values, FusedEngine(threads=1)) > 0.05
