"""The torch engine computes where its tensors are. PyTorch's `meta` device stands for a GPU: it computes shapes alone,
and like one it refuses to mix its tensors with those of the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.helpers import AUTO_MAML_5SHOT
from tnas_cli.engines.interface import InnerRule, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.enas import ENAS
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.search_network import SearchNetwork

ELSEWHERE = torch.device("meta")
NETWORKS: dict[str, Network] = {
    "search": SearchNetwork(5, 1, 8, nodes=2),
    "search, ENAS": SearchNetwork(5, 1, 8, nodes=2, space=ENAS),
    "decoded": DecodedNetwork(AUTO_MAML_5SHOT, 5, 1),
    "4CONV": FourConv(5, 1, 28, 8),
}
RULE, ALTERNATING = (InnerRule(0.1, 30.0, 1, alternating) for alternating in (False, True))


def images(per_class: int, device: torch.device = ELSEWHERE) -> tuple[Tensor, Tensor]:
    count = 5 * per_class
    return torch.empty(2, count, 1, 28, 28, device=device), torch.zeros(2, count, dtype=torch.long, device=device)


def parameters(network: Network, *leading: int) -> Parameters:
    return {name: torch.empty(*leading, *spec.shape, device=ELSEWHERE) for name, spec in network.specs().items()}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("by_support", [False, True])
def test_meta_gradients_stay_on_the_device(network: Network, second_order: bool, by_support: bool) -> None:
    for rule in (RULE, ALTERNATING) if network.specs().keys() & {"theta"} else (RULE,):
        found = TorchEngine().meta_gradient(
            network, parameters(network), images(1), images(3), rule, second_order=second_order, by_support=by_support
        )
        assert {t.device for t in (*found.gradients.values(), found.query_losses, found.query_accuracies)} == {
            ELSEWHERE
        }


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_what_a_task_asks_for_stays_on_the_device(network: Network) -> None:
    engine, shared, own, (x, y) = TorchEngine(), parameters(network), parameters(network, 2), images(3)
    asked: list[Callable[[], Tensor]] = [
        lambda: engine.adapt(network, shared, images(1), RULE).support_losses,
        lambda: engine.gradients(network, own, (x, y)).losses,
        lambda: engine.gradients(network, own, (x, y), images(1)[0]).losses,
        lambda: engine.predict(network, own, x),
        lambda: engine.features(network, own, x),
        lambda: engine.answering(network, own, images(1)[0])(x),
    ]
    assert [ask().device for ask in asked] == [ELSEWHERE] * len(asked)


def test_images_of_another_device_are_noticed() -> None:
    network, here = NETWORKS["search"], torch.device("cpu")
    with pytest.raises(RuntimeError, match="device"):
        TorchEngine().meta_gradient(network, parameters(network), images(1), images(3, here), RULE)
