"""Methods that compare features: the fused kernels give the gradients and answers that PyTorch gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.synthetic import pattern_tasks, worst_relative_error
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.metric import FeatureLearner
from tnas_cli.methods.registry import training_method, training_methods
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, draw

NETWORK, SETTINGS = FourConv(3, 1, 20), TrainSettings("x", way=3)


def learner(name: str, engine: Engine) -> Learner:
    return training_method(name).learner(engine, NETWORK, SETTINGS)


METHODS = [
    name
    for name in training_methods()
    if training_method(name).by_engine and isinstance(learner(name, TorchEngine()), FeatureLearner)
]


@pytest.fixture(scope="module")
def engine() -> FusedEngine:
    return FusedEngine(threads=2)


def doubled(batch: TaskBatch) -> TaskBatch:
    """In float64."""
    return batch.to(torch.device("cpu"), torch.float64)


def moved(name: str) -> Parameters:
    """Parameters in float64, none of which is where a method starts: 0 hides mistakes."""
    generator = torch.Generator().manual_seed(1)
    drawn = draw(training_method(name).shapes(NETWORK, SETTINGS), generator)

    def beside(tensor: Tensor) -> Tensor:
        return tensor.double() + 0.1 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)

    return {key: beside(tensor) for key, tensor in drawn.items()}


def test_the_methods_that_compare_features_are_computed_by_an_engine() -> None:
    assert {"protonets", "matching-nets", "matching-nets-fce", "siamese", "r2d2"} <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_the_outer_gradient_and_the_answers_are_pytorchs(engine: FusedEngine, name: str) -> None:
    batch, w = doubled(pattern_tasks(0, 3, shot=2)), moved(name)
    fused, plain = learner(name, engine), learner(name, TorchEngine())
    found, expected = fused.meta_gradient(w, batch, 0.5), plain.meta_gradient(w, batch, 0.5)
    assert found.gradients.keys() == expected.gradients.keys()
    assert worst_relative_error(*(_of_weights(each.gradients) for each in (found, expected))) < 1e-8
    torch.testing.assert_close(found.query_losses, expected.query_losses, rtol=1e-10, atol=0)
    assert torch.equal(found.query_accuracies, expected.query_accuracies)
    support = batch.support_x, batch.support_y
    ours, theirs = (each.fit(w, support).transductive(batch.query_x) for each in (fused, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_the_outer_gradient_does_not_depend_on_the_number_of_threads(name: str) -> None:
    """To the last bit; nor on PyTorch's own, which compares the features."""
    batch, w, kept = pattern_tasks(0, 5, shot=2), moved(name), torch.get_num_threads()
    w = {key: tensor.float() for key, tensor in w.items()}
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(learner(name, FusedEngine(threads=threads)).meta_gradient(w, batch, 0.5))
    finally:
        torch.set_num_threads(kept)
    assert torch.equal(found[0].query_losses, found[1].query_losses)
    assert all(torch.equal(found[0].gradients[key], found[1].gradients[key]) for key in w)


def _of_weights(gradients: Parameters) -> Parameters:
    """Without the biases that batch norm removes: their gradient is rounding."""
    return {name: tensor for name, tensor in gradients.items() if not name.endswith("conv_bias")}
