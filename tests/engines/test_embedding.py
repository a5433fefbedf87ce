"""Features that PyTorch differentiates by the fused kernels, beside those of the network itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.helpers import AUTO_MAML_5SHOT
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.fused import kept, program
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters, for_tasks

NETWORKS = [FourConv(3, 1, 28), FourConv(2, 3, 33, filters=64), DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, 8)]


@pytest.fixture(scope="module")
def engine() -> FusedEngine:
    return FusedEngine(threads=2)


def learned(engine: Engine, network: Network, w: Parameters, x: Tensor) -> tuple[Tensor, Parameters]:
    """Features, and the gradient of a loss that mixes the images of a task and weighs the tasks differently."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in w.items() if "classifier" not in name}
    features = engine.embedding(network, for_tasks(leaves, len(x)), x)
    weights = torch.linspace(0.5, 2, len(x), dtype=x.dtype)
    loss = (weights[:, None, None] * (features - features.roll(1, 1)).square() * features.sigmoid()).sum()
    found = torch.autograd.grad(loss, list(leaves.values()))
    return features.detach(), dict(zip(leaves, found, strict=True))


@pytest.mark.parametrize("few", [50_000, 0], ids=["one share", "two shares"])
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_features_and_gradients_are_those_of_the_network(
    network: Network, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "FEW_PIXELS", few)
    engine = FusedEngine(threads=8)
    w, side = parameters_of(network), getattr(network, "size", 28)
    x, _ = labelled(3, 2, 3, network.in_channels, side, seed=1)
    features, gradients = learned(engine, network, w, x)
    expected, slopes = learned(TorchEngine(), network, w, x)
    torch.testing.assert_close(features, expected, rtol=1e-10, atol=1e-12)
    assert gradients.keys() == slopes.keys()
    for name, slope in slopes.items():
        if "conv_bias" not in name:  # batch norm removes it: its gradient is rounding
            torch.testing.assert_close(gradients[name], slope, rtol=1e-8, atol=1e-9 * float(slope.abs().max()))


def test_what_is_not_kept_is_computed_again_to_the_same_bits(
    engine: FusedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = NETWORKS[0]
    w = parameters_of(network)
    x, _ = labelled(3, 2, 2, 1, 28, seed=2)
    features, gradients = learned(engine, network, w, x)
    monkeypatch.setattr(program, "MOST_KEPT", 0)
    again, slopes = learned(FusedEngine(threads=1), network, w, x)
    assert torch.equal(features, again)
    assert all(torch.equal(gradients[name], slopes[name]) for name in gradients)


def test_memories_are_used_again_when_nobody_needs_them(engine: FusedEngine) -> None:
    spare = kept.Spare()
    first = spare.take(100, "float32")
    held = kept.Kept(spare, [first])
    assert spare.take(100, "float32") is not first
    del held
    assert spare.take(80, "float32") is first
    assert spare.take(200, "float32").size == 200


def test_a_second_derivative_is_refused(engine: FusedEngine) -> None:
    network = NETWORKS[0]
    leaves = {name: tensor.requires_grad_() for name, tensor in parameters_of(network).items()}
    x, _ = labelled(1, 2, 2, 1, 28, seed=3)
    features = engine.embedding(network, for_tasks(leaves, 1), x)
    slope = torch.autograd.grad(features.square().sum(), leaves["block.0.conv"], create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
