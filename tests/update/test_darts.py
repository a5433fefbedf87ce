"""Equation 4 against finite differences and on a loss that is solved by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tnas_cli.engines.torch_engine import task_losses
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.spaces.parameters import THETA, Parameters, draw
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.update.darts import architecture_gradient, clipped, step


def images(index: int) -> tuple[Tensor, Tensor]:
    """Two tasks of four images of 20 x 20 pixels."""
    generator = torch_generator(0, "darts images", index)
    return torch.rand(2, 4, 1, 20, 20, dtype=torch.float64, generator=generator), torch.tensor([[0, 0, 1, 1]] * 2)


@pytest.mark.slow
@pytest.mark.parametrize("xi", [0.0, 0.05])
def test_equation_4_is_the_slope_of_the_validation_loss(xi: float) -> None:
    network = SearchNetwork(2, 1, 2, 2)
    drawn = [draw(network.specs(), torch_generator(task, "darts")) for task in range(2)]
    parameters = {name: torch.stack([one[name] for one in drawn]).double() for name in drawn[0]}
    parameters[THETA] = 1000 * parameters[THETA]  # far from uniform, so that every term matters
    training, validation = images(0), images(1)

    def loss(labelled: tuple[Tensor, Tensor], at: Parameters) -> Tensor:
        return task_losses(network.logits(at, labelled[0]), labelled[1])

    losses, found = architecture_gradient(
        lambda at: loss(training, at), lambda at: loss(validation, at), parameters, (THETA,), xi
    )
    assert losses.shape == (2,)
    assert set(found) == {THETA}

    def value(theta: Tensor) -> Tensor:
        at = {name: tensor.clone().requires_grad_() for name, tensor in (parameters | {THETA: theta}).items()}
        weights = [name for name in at if name != THETA]
        slopes = torch.autograd.grad(loss(training, at).sum(), [at[name] for name in weights])
        moved = {name: at[name].detach() - xi * slope for name, slope in zip(weights, slopes, strict=True)}
        return loss(validation, moved | {THETA: theta}).detach()

    torch.testing.assert_close(losses, value(parameters[THETA]))
    direction = torch.randn(parameters[THETA].shape, dtype=torch.float64, generator=torch_generator(0, "direction"))
    h = 1e-5
    slope = (value(parameters[THETA] + h * direction) - value(parameters[THETA] - h * direction)) / (2 * h)
    torch.testing.assert_close((found[THETA] * direction).sum((1, 2, 3)), slope, rtol=1e-5, atol=1e-8)


def test_the_second_order_by_hand() -> None:
    # Training loss (w - t)^2, validation loss (w - 3)^2 + t: w' = w - 2 xi (w - t), and d/dt = 2 (w' - 3) 2 xi + 1.
    at = {"w": torch.tensor([1.0]), "t": torch.tensor([2.0])}
    both = [
        architecture_gradient(lambda p: (p["w"] - p["t"]) ** 2, lambda p: (p["w"] - 3) ** 2 + p["t"], at, ("t",), xi)
        for xi in (0.0, 0.25)
    ]
    assert both[0][1]["t"].tolist() == [1.0]
    assert both[1][1]["t"].tolist() == [2 * (1.5 - 3) * 0.5 + 1]
    assert both[1][0].tolist() == [2.25 + 2]


def test_each_task_is_clipped_by_its_own_norm() -> None:
    found = clipped({"a": torch.tensor([[3.0, 0.0], [0.3, 0.0]]), "b": torch.tensor([4.0, 0.4])}, 2.5)
    torch.testing.assert_close(found["a"], torch.tensor([[1.5, 0.0], [0.3, 0.0]]))
    torch.testing.assert_close(found["b"], torch.tensor([2.0, 0.4]))


def test_a_step_moves_what_has_a_gradient() -> None:
    parameters = {"w": torch.tensor([1.0]), "t": torch.tensor([2.0])}
    step(torch.optim.SGD([parameters["w"]], lr=0.5), parameters, {"w": torch.tensor([1.0])})
    assert {name: tensor.tolist() for name, tensor in parameters.items()} == {"w": [0.5], "t": [2.0]}
