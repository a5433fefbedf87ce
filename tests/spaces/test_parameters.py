import math

import pytest
import torch

from tests.helpers import AUTO_MAML_5SHOT
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import THETA, Spec, count, draw, for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

NETWORKS = [SearchNetwork(5, 3), DecodedNetwork(AUTO_MAML_5SHOT, 5, 3)]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_weights_start_as_torch_layers_do(network) -> None:
    """Fan-in counted from the shape: what one output number sums over."""
    parameters = draw(network.specs(), torch.Generator().manual_seed(0))
    for name, tensor in parameters.items():
        if name == THETA:
            continue
        if name.endswith(".gain"):
            assert torch.equal(tensor, torch.ones_like(tensor))
            continue
        if name.endswith(".bias") and not name.startswith("classifier"):
            assert torch.equal(tensor, torch.zeros_like(tensor))
            continue
        if "depthwise" in name:
            fan_in = tensor.shape[-1] * tensor.shape[-2]
        elif name.startswith("stem"):
            fan_in = math.prod(tensor.shape[1:])
        elif name == "classifier.bias":
            fan_in = parameters["classifier.weight"].shape[1]
        else:
            fan_in = tensor.shape[-1]
        bound = 1 / math.sqrt(fan_in)
        assert float(tensor.abs().max()) <= bound, name
        if tensor.numel() > 50:
            assert float(tensor.abs().max()) > 0.9 * bound, name
            assert abs(float(tensor.mean())) < 5 * bound / math.sqrt(3 * tensor.numel()), name


def test_theta_starts_nearly_uniform() -> None:
    theta = draw(SearchNetwork(5, 1).specs(), torch.Generator().manual_seed(0))[THETA]
    assert theta.shape == (2, 14, 8)
    assert 0.8e-3 < float(theta.std()) < 1.2e-3


def test_the_generator_decides() -> None:
    specs = SearchNetwork(3, 1, channels=4).specs()
    first, again, other = (draw(specs, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in specs)
    assert not torch.equal(first[THETA], other[THETA])
    assert all(tensor.dtype == torch.float32 for tensor in first.values())


def test_theta_is_not_counted_among_the_weights() -> None:
    assert count({THETA: Spec((2, 14, 8), "theta"), "a": Spec((3, 4)), "b": Spec((5,))}) == 17


def test_for_tasks_copies_nothing() -> None:
    tensor = torch.randn(3, 4)
    many = for_tasks({"a": tensor}, 5)["a"]
    assert many.shape == (5, 3, 4)
    assert many.data_ptr() == tensor.data_ptr()
    assert all(torch.equal(row, tensor) for row in many)
