"""The engine on 4CONV against the oracle, one task after the other, in float64."""

import pytest
import torch

from tests import oracle
from tests.synthetic import each_task, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters


def without_shifts(gradients: Parameters) -> Parameters:
    """All except the convolutions' biases: batch norm removes them, so their gradient is zero except for rounding."""
    shifts = {name for name in gradients if name.endswith(".conv_bias")}
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    assert len(shifts) == 4
    assert all(float(gradients[name].abs().max()) < 1e-12 * largest for name in shifts)
    return {name: gradient for name, gradient in gradients.items() if name not in shifts}


@pytest.mark.parametrize("second_order", [False, True], ids=["first order", "equation 2"])
@pytest.mark.parametrize(("size", "channels"), [(20, 1), (35, 3)])
def test_meta_gradient(size: int, channels: int, second_order: bool) -> None:
    network = FourConv(3, channels, size, filters=4)
    w = parameters_of(network)
    support, query = labelled(2, 3, 1, channels, size, seed=1), labelled(2, 3, 2, channels, size, seed=2)
    rule = InnerRule(alpha=0.05, beta=0.0, steps=2)
    found = TorchEngine().meta_gradient(network, w, support, query, rule, second_order=second_order)
    tasks = list(zip(each_task(support), each_task(query), strict=True))
    gradients, losses = oracle.meta_gradient(
        oracle.four_conv_logits, w, tasks, lambda name: 0.05, 2, second_order=second_order
    )
    assert worst_relative_error(without_shifts(found.gradients), without_shifts(gradients)) < 1e-10
    torch.testing.assert_close(found.query_losses, torch.tensor(losses, dtype=torch.float64), rtol=1e-10, atol=0)
