"""TADAM one task, one convolution, one distance at a time; what it starts as; its outer steps; what it learns."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.glyph_tasks import SIDE
from tests.methods.learning import above_nearest_neighbour
from tests.spaces.test_resnet12 import plain
from tests.synthetic import check_slope, labelled, worst_relative_error
from tnas_cli.episodes.tasks import Beside, TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.registry import training_method
from tnas_cli.methods.tadam import Tadam, co_training, rate
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, count
from tnas_cli.spaces.resnet12 import MTL, TADAM, ResNet12
from tnas_cli.update.outer import ClippedSGD

METHOD = training_method("tadam")
SETTINGS = TrainSettings("x", way=2, method="tadam", alpha_outer=0.1)
NETWORK = ResNet12(2, 1, 16, 2)
CPU = torch.device("cpu")
BESIDE = labelled(2, 7, 1, 1, 16, seed=3)
BATCH = TaskBatch(*labelled(2, 2, 2, 1, 16, seed=1), *labelled(2, 2, 3, 1, 16, seed=2), way=2)


def beside(*chances: float) -> TaskBatch:
    """The tasks, with images of 7 classes beside each and these chances."""
    return dataclasses.replace(BATCH, beside=Beside(*BESIDE, torch.tensor(chances)))


def parameters(moved: bool = True) -> Parameters:
    """Started weights in float64 with the layer over 7 classes, away from their special values if `moved`."""
    state, generator = METHOD.start(NETWORK, SETTINGS, CPU, classes=7), torch.Generator().manual_seed(0)
    w = {name: tensor.double() for name, tensor in state.parameters.items()}
    for tensor in w.values() if moved else ():
        if tensor.ndim == 1:
            tensor += 0.2 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return w


def features(w: Parameters, x: Tensor) -> Tensor:
    """The plain network's features [N, 16]."""
    same = {"classifier.weight": torch.eye(16, dtype=x.dtype), "classifier.bias": torch.zeros(16, dtype=x.dtype)}
    return plain(w | same, x, TADAM)


def means(f: Tensor, labels: Tensor) -> list[Tensor]:
    return [sum(row for row, own in zip(f, labels, strict=True) if own == k) / int((labels == k).sum()) for k in (0, 1)]


def swish(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def plain_loss(w: Parameters, task: int, *, conditioned: bool = True) -> tuple[Tensor, Tensor]:
    """Logits [Q, 2] and the mean cross-entropy of a task."""
    support, labels, own = BATCH.support_x[task], BATCH.support_y[task], dict(w)
    t = sum(means(features(w, support), labels)) / 2
    for number in range(12 if conditioned else 0):
        conv = f"block.{number // 3}.{number % 3}"
        found = {}
        for kind in ("beta", "gamma"):
            at = [(w[f"film.{conv}.{kind}.{i}.weight"], w[f"film.{conv}.{kind}.{i}.bias"]) for i in range(3)]
            u = swish(at[0][0] @ t + at[0][1])
            u = swish(at[1][0] @ u + at[1][1] + u)
            found[kind] = w[f"film.{kind}0"][number] * (at[2][0] @ u + at[2][1] + u)
        gamma, beta = found["gamma"] + 1, found["beta"]
        # gamma (gain y + bias) + beta
        own |= {f"{conv}.gain": gamma * w[f"{conv}.gain"], f"{conv}.bias": gamma * w[f"{conv}.bias"] + beta}
    f = features(own, torch.cat([support, BATCH.query_x[task]]))
    centres = means(f[: len(support)], labels)
    logits = torch.stack(
        [torch.stack([-7.5 * ((q - c) ** 2).sum().sqrt() for c in centres]) for q in f[len(support) :]]
    )
    return logits, F.cross_entropy(logits, BATCH.query_y[task])


@pytest.mark.parametrize("chances", [None, (0.0, 0.0), (0.95, 0.5)], ids=["alone", "co-training", "for one task"])
def test_the_outer_gradient_is_that_of_the_plain_form(chances: tuple[float, float] | None) -> None:
    """At 0.06 of the training, co-training has the probability 0.9."""
    w, batch = parameters(), BATCH if chances is None else beside(*chances)
    found = Tadam(NETWORK, 2).meta_gradient(w, batch, 0.06)
    at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    losses = []
    for task in range(2):
        loss = plain_loss(at, task)[1]
        if chances is not None and chances[task] < 0.9:
            layer = features(at, BESIDE[0][task]) @ at["all_classes.weight"].T + at["all_classes.bias"]
            loss = loss + F.cross_entropy(layer, BESIDE[1][task])
        losses.append(loss)
    grads = torch.autograd.grad(losses[0] + losses[1], list(at.values()), materialize_grads=True)
    expected = dict(zip(at, grads, strict=True))
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-9, atol=0)
    assert worst_relative_error(found.gradients, expected) < 1e-6


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    w, learner = parameters(), Tadam(NETWORK, 2)

    def loss(there: Parameters) -> float:
        return float(learner.meta_gradient(there, beside(0.0, 0.0), 0.0).query_losses.sum())

    check_slope(learner.meta_gradient(w, beside(0.0, 0.0), 0.0).gradients, loss, w, step=1e-7)


def test_it_starts_as_prototypical_networks_with_scaled_distances() -> None:
    w = parameters(moved=False)
    found = Tadam(NETWORK, 2).fit(w, BATCH.support).transductive(BATCH.query_x)
    for task in range(2):
        expected, _ = plain_loss(w, task, conditioned=False)
        torch.testing.assert_close(found[task], expected, rtol=1e-9, atol=1e-9)


def test_a_fitted_task_answers_as_in_training_and_once_more_from_what_it_keeps() -> None:
    w, learner = parameters(), Tadam(NETWORK, 2)
    fitted = learner.fit(w, BATCH.support)
    for task in range(2):
        torch.testing.assert_close(
            fitted.transductive(BATCH.query_x)[task], plain_loss(w, task)[0], rtol=1e-9, atol=1e-9
        )
    again = learner.fitted(fitted.own, BATCH.support)
    assert torch.equal(again.inductive(BATCH.query_x), fitted.inductive(BATCH.query_x))
    one, other = fitted.own["block.0.0.gain"]
    assert not torch.equal(one, other)


def test_it_has_as_many_weights_as_published() -> None:
    network = ResNet12(5, 3, 84)
    shapes = METHOD.shapes(network, SETTINGS)
    conditioning = {name: spec for name, spec in shapes.items() if name.startswith("film.")}
    assert count(conditioning) == 7_144_344
    assert count(shapes) == 7_996_800 + 7_144_344
    with_head = METHOD.start(ResNet12(5, 1, 16, 2), SETTINGS, CPU, classes=64).parameters
    assert count(shapes) + 64 * (512 + 1) == 15_173_976
    assert with_head["all_classes.weight"].shape == (64, 16)


def test_schedules_by_hand() -> None:
    assert [co_training(s) for s in (0, 0.049, 0.05, 0.5)] == pytest.approx([1, 1, 0.9, 0.9**10])
    assert [rate(s) for s in (0, 0.49, 0.5, 0.6, 0.7, 1)] == pytest.approx([1, 1, 0.1, 0.01, 0.001, 0.001])


def test_the_outer_step_is_torchs_on_shortened_gradients() -> None:
    """Two steps of SGD with momentum; one gradient is longer than 1."""
    w = {"a.conv": torch.tensor([1.0, 2.0]).double(), "film.beta0": torch.tensor([0.5]).double()}
    optimiser, v = METHOD.optimiser(w, SETTINGS), {name: torch.zeros_like(t) for name, t in w.items()}
    assert isinstance(optimiser, ClippedSGD)
    by_hand = {name: tensor.clone() for name, tensor in w.items()}
    for g in ({"a.conv": [3.0, 4.0], "film.beta0": [0.5]}, {"a.conv": [0.3, 0.4], "film.beta0": [-2.0]}):
        for name, tensor in w.items():
            tensor.grad = torch.tensor(g[name]).double()
            short = tensor.grad / max(1.0, math.dist(g[name], [0] * len(g[name])))
            decayed = short + {"a.conv": 5e-4, "film.beta0": 0.01}[name] * by_hand[name]
            v[name] = 0.9 * v[name] + decayed
            by_hand[name] = by_hand[name] - 0.1 * v[name]
        optimiser.step()
    for name, tensor in w.items():
        torch.testing.assert_close(tensor, by_hand[name], rtol=1e-12, atol=0)


@pytest.mark.parametrize("other", [FourConv(2, 1, 16, 2), ResNet12(2, 1, 16, 2, MTL)])
def test_other_networks_are_refused(other: FourConv | ResNet12) -> None:
    with pytest.raises(SettingsError, match="trains no other network") as caught:
        METHOD.shapes(other, SETTINGS)
    assert "tnas train-eval resnet12 --method tadam" in caught.value.hint


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 3-way 1-shot tasks of glyphs of other classes."""
    values = {"query": 2, "alpha_outer": 0.1, "meta_batch": 4, "tasks": 200, "validate_every": 200}
    assert above_nearest_neighbour("tadam", ResNet12(3, 1, SIDE, filters=4), values) > 0.05
