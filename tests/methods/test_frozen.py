"""A frozen network with the nearest class mean: plain cross-entropy over all training classes, plain distances."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests import oracle
from tests.glyph_tasks import SIDE
from tests.methods.learning import above_nearest_neighbour
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.frozen import Frozen
from tnas_cli.methods.registry import training_method
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv

NETWORK = FourConv(2, 1, 20, filters=4)
LEARNER = Frozen(NETWORK, 2)


def test_the_gradient_is_that_of_plain_classification() -> None:
    """Two batches of images of 7 classes."""
    w = {name: t for name, t in parameters_of(NETWORK).items() if not name.startswith("classifier.")}
    generator = torch.Generator().manual_seed(1)
    w["all_classes.weight"] = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    w["all_classes.bias"] = torch.randn(7, generator=generator, dtype=torch.float64)
    x, y = labelled(2, 7, 2, 1, 20, seed=2)
    found = LEARNER.meta_gradient(w, TaskBatch(x, y, x, y, 2), 0.0)
    at = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    layer = {name.replace("all_classes", "classifier"): tensor for name, tensor in at.items()}
    losses = [F.cross_entropy(oracle.four_conv_logits(layer, x[batch]), y[batch]) for batch in range(2)]
    expected = dict(zip(at, torch.autograd.grad(losses[0] + losses[1], list(at.values())), strict=True))
    torch.testing.assert_close(found.query_losses, torch.stack(losses).detach(), rtol=1e-10, atol=0)
    assert worst_relative_error(found.gradients, expected) < 1e-8


def test_it_answers_by_the_nearest_class_mean() -> None:
    w = {name: t for name, t in parameters_of(NETWORK).items() if not name.startswith("classifier.")}
    support, query = labelled(1, 2, 3, 1, 20, seed=3), labelled(1, 2, 2, 1, 20, seed=4)
    found = LEARNER.fit(w, support).transductive(query[0])[0]
    same = {"classifier.weight": torch.eye(4, dtype=torch.float64), "classifier.bias": torch.zeros(4).double()}
    features = oracle.four_conv_logits(w | same, torch.cat([support[0][0], query[0][0]]))
    for q in range(4):
        for label in range(2):
            mean = sum(features[s] for s in range(6) if int(support[1][0, s]) == label) / 3
            torch.testing.assert_close(found[q, label], -((features[6 + q] - mean) ** 2).sum())


def test_the_layer_over_all_classes_is_in_the_training_alone() -> None:
    method, settings = training_method("frozen"), TrainSettings("x", way=2, method="frozen")
    state = method.start(NETWORK, settings, torch.device("cpu"), classes=9)
    assert state.parameters["all_classes.weight"].shape == (9, 4)
    assert set(state.parameters) - set(method.shapes(NETWORK, settings)) == {"all_classes.weight", "all_classes.bias"}


def test_it_learns_more_than_the_nearest_neighbour_knows() -> None:
    """By at least 5 points on 5-way 1-shot tasks of glyphs of other classes."""
    values = {"alpha_outer": 5e-3, "meta_batch": 1, "tasks": 200, "validate_every": 200}
    assert above_nearest_neighbour("frozen", FourConv(5, 1, SIDE, filters=16), values) > 0.05
