"""MTL one task and one step at a time by autograd; its slopes; what is learned and what is frozen; what it learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.glyph_tasks import SIDE
from tests.methods.learning import tasks_for
from tests.spaces.test_resnet12 import plain
from tests.synthetic import check_slope, labelled, worst_relative_error
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.meta_learn import Plan
from tnas_cli.methods.mtl import LEARNED, Mtl, rate
from tnas_cli.methods.nearest_neighbour import nearest_neighbour
from tnas_cli.methods.registry import training_method
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, count
from tnas_cli.spaces.resnet12 import MTL, TADAM, ResNet12

METHOD = training_method("mtl")
SETTINGS = TrainSettings("x", way=2, method="mtl", alpha_inner=0.3, inner_steps=2, test_steps=3, order="second")
NETWORK = ResNet12(2, 1, 16, 2, MTL)
CPU = torch.device("cpu")
BATCH = TaskBatch(*labelled(2, 2, 2, 1, 16, seed=1), *labelled(2, 2, 3, 1, 16, seed=2), way=2)


def mtl(**changes: object) -> Mtl:
    learner = METHOD.learner(TorchEngine(), NETWORK, SETTINGS)
    assert isinstance(learner, Mtl)
    return dataclasses.replace(learner, **changes)  # type: ignore[arg-type]


def parameters() -> Parameters:
    """Started weights in float64, with scales and biases away from their starts."""
    generator = torch.Generator().manual_seed(0)
    w = {name: tensor.double() for name, tensor in METHOD.start(NETWORK, SETTINGS, CPU, classes=3).parameters.items()}
    for name, tensor in w.items():
        if name.endswith((".scale", "bias")):
            tensor += 0.2 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return w


def plain_weights(w: Parameters) -> Parameters:
    """The network's, kernel by kernel."""
    own = {name: tensor for name, tensor in w.items() if not name.endswith(".scale")}
    for name, scale in ((name, tensor) for name, tensor in w.items() if name.endswith(".scale")):
        kernel = w[name.replace(".scale", ".conv")]
        rows = [torch.stack([kernel[o, i] * scale[o, i] for i in range(kernel.shape[1])]) for o in range(len(kernel))]
        own[name.replace(".scale", ".conv")] = torch.stack(rows)
    return own


def plain_task(
    w: Parameters, task: int, steps: int, *, second: bool, from_support: bool = False
) -> tuple[Parameters, Tensor]:
    """Adapted weights and the query loss: every step passes the whole network and asks autograd."""
    own = plain_weights(w)
    for _ in range(steps):
        loss = F.cross_entropy(plain(own, BATCH.support_x[task], MTL), BATCH.support_y[task])
        head = ["classifier.weight", "classifier.bias"]
        grads = torch.autograd.grad(loss, [own[name] for name in head], create_graph=second, retain_graph=True)
        own |= {name: own[name] - 0.3 * grad for name, grad in zip(head, grads, strict=True)}
    x = BATCH.query_x[task]
    both = torch.cat([BATCH.support_x[task], x]) if from_support else x
    with oracle.normalised_by(oracle.of_first(len(BATCH.support_x[task])) if from_support else None):
        logits = plain(own, both, MTL)[-len(x) :]
    return own, F.cross_entropy(logits, BATCH.query_y[task])


@pytest.mark.parametrize("second", [True, False], ids=["second order", "first order"])
@pytest.mark.parametrize("from_support", [False, True], ids=["own moments", "moments of the support"])
def test_the_outer_gradient_is_that_of_the_plain_form(second: bool, from_support: bool) -> None:
    w = parameters()
    found = mtl(second_order=second, from_support=from_support).meta_gradient(w, BATCH, 0.0)
    at = {name: tensor.clone().requires_grad_(name.endswith(LEARNED)) for name, tensor in w.items()}
    losses = torch.stack([plain_task(at, task, 2, second=second, from_support=from_support)[1] for task in range(2)])
    learned = {name: tensor for name, tensor in at.items() if tensor.requires_grad}
    expected = dict(zip(learned, torch.autograd.grad(losses.sum(), list(learned.values())), strict=True))
    torch.testing.assert_close(found.query_losses, losses.detach(), rtol=1e-9, atol=0)
    assert worst_relative_error(found.gradients, expected) < 1e-6


def test_the_class_with_the_lowest_query_accuracy_is_that_of_the_plain_form() -> None:
    """Whichever class the linear layer prefers at its start; without classes it is not asked."""
    w, found = parameters(), []
    assert mtl().meta_gradient(w, BATCH, 0.0).weakest is None
    names = torch.tensor([[30, 10], [40, 20]])
    for lead in (-9.0, -0.3, 0.0, 0.3, 9.0):
        w["classifier.bias"] = torch.tensor([lead, 0.0], dtype=torch.float64)
        weakest = mtl().meta_gradient(w, dataclasses.replace(BATCH, classes=names), 0.0).weakest
        assert weakest is not None
        for task in range(2):
            at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
            own, _ = plain_task(at, task, 2, second=False)
            answers = plain(own, BATCH.query_x[task], MTL).argmax(1)
            right = [int((answers == k)[BATCH.query_y[task] == k].sum()) for k in range(2)]
            found.append(int(weakest[task]))
            assert found[-1] == int(names[task, right.index(min(right))])
    assert set(found) == {10, 20, 30, 40}


@pytest.mark.parametrize("from_support", [False, True])
def test_the_gradient_is_the_slope_of_the_loss(from_support: bool) -> None:
    w, learner = parameters(), mtl(from_support=from_support)

    def loss(there: Parameters) -> float:
        return float(learner.meta_gradient(there, BATCH, 0.0).query_losses.sum())

    moved = [name for name in w if name.endswith(LEARNED)]
    check_slope(learner.meta_gradient(w, BATCH, 0.0).gradients, loss, w, step=1e-7, moved=moved)


def test_a_fitted_task_is_a_network_of_its_own() -> None:
    """By the steps of tests; the scales are taken into the kernels."""
    w = parameters()
    fitted = mtl().fit(w, BATCH.support)
    assert set(fitted.own) == set(NETWORK.specs())
    for task in range(2):
        at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
        own, _ = plain_task(at, task, 3, second=False)
        for name, tensor in fitted.own.items():
            torch.testing.assert_close(tensor[task], own[name].detach(), rtol=1e-8, atol=1e-10)
        logits = plain(own, BATCH.query_x[task], MTL).detach()
        torch.testing.assert_close(fitted.transductive(BATCH.query_x)[task], logits, rtol=1e-8, atol=1e-8)


def test_it_holds_what_was_published() -> None:
    network = ResNet12(5, 3, 84, form=MTL)
    shapes = METHOD.shapes(network, SETTINGS)
    scales = {name: spec for name, spec in shapes.items() if name.endswith((".scale", ".conv_bias"))}
    assert count(scales) == 871_424
    assert count({name: spec for name, spec in shapes.items() if name.startswith("classifier.")}) == 2_565
    learned = {name for name in shapes if name.endswith(LEARNED)}
    frozen = {name: spec for name, spec in shapes.items() if name not in learned}
    assert count(frozen) == 7_992_000  # kernels and 2,880 biases of norms; as many biases of convolutions are learned


def test_it_starts_as_the_pre_trained_network() -> None:
    state = METHOD.start(NETWORK, SETTINGS, CPU, classes=3)
    own = plain_weights(state.parameters)
    assert all(torch.equal(own[name], state.parameters[name]) for name in NETWORK.specs())


def test_the_schedule_by_hand() -> None:
    assert [rate(s) for s in (0, 0.06, 0.07, 0.14, 0.21, 0.3, 1)] == pytest.approx([1, 1, 0.5, 0.25, 0.125, 0.1, 0.1])


@pytest.mark.parametrize("other", [FourConv(2, 1, 16, 2), ResNet12(2, 1, 16, 2, TADAM)])
def test_other_networks_are_refused(other: FourConv | ResNet12) -> None:
    with pytest.raises(SettingsError, match="trains no other network") as caught:
        METHOD.shapes(other, SETTINGS)
    assert "tnas train-eval resnet12-mtl --method mtl" in caught.value.hint


def test_it_learns_more_than_the_nearest_neighbour_knows_and_kernels_stay_frozen() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    network = ResNet12(5, 1, SIDE, filters=8, form=MTL)
    values = {"way": 5, "query": 2, "alpha_inner": 0.05, "inner_steps": 5, "test_steps": 10, "order": "second"}
    values |= {"pretrain": 80, "tasks": 32, "meta_batch": 4, "validate_every": 32}
    settings, source = TrainSettings.from_dict({"dataset": "glyphs", **values, "method": "mtl"}), tasks_for("mtl", 5)
    state = METHOD.start(network, settings, CPU, classes=source.classes)
    kernels = []
    for _ in METHOD.learn(
        network, settings, METHOD.learner(TorchEngine(), network, settings), state, source, Plan.of(settings)
    ):
        if state.phase is None or state.phase.done == settings.pretrain:
            kernels.append(state.parameters["block.1.1.conv"].clone())
    assert len(kernels) > 8 and all(torch.equal(kernel, kernels[0]) for kernel in kernels)
    assert not torch.equal(state.parameters["block.1.1.scale"], torch.ones(16, 16))
    assert state.best_accuracy > nearest_neighbour(source.validate())[0] + 0.05
