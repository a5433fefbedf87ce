import pytest
import torch

from tests import oracle
from tests.synthetic import labelled, parameters_of
from tnas_cli.spaces.edges import edge_count
from tnas_cli.spaces.parameters import THETA, count, for_tasks
from tnas_cli.spaces.search_forward import cell as search_cell
from tnas_cli.spaces.search_network import SearchNetwork


def test_golden_parameter_counts() -> None:
    """5-way, three channels, as published: 201,181 weights and 224 architecture parameters."""
    specs = SearchNetwork(way=5, in_channels=3).specs()
    assert count(specs) == 201_181
    assert torch.Size(specs[THETA].shape).numel() == 224


@pytest.mark.parametrize(
    ("size", "in_channels", "nodes"),
    [(20, 1, 4), (21, 3, 4), (27, 1, 3), (28, 1, 4), (33, 3, 4), (40, 1, 2), (53, 1, 4), (60, 3, 4)],
)
def test_logits_are_those_of_the_oracle(size: int, in_channels: int, nodes: int) -> None:
    """Both tasks have their own parameters. From 52 pixels on, the cells' inputs use the library's convolution."""
    network = SearchNetwork(3, in_channels, channels=4, nodes=nodes)
    own = [parameters_of(network, seed) for seed in (1, 2)]
    x, _ = labelled(2, 3, 1, in_channels, size, seed=size)
    found = network.logits({name: torch.stack([w[name] for w in own]) for name in own[0]}, x)
    expected = torch.stack([oracle.search_logits(w, images, nodes) for w, images in zip(own, x, strict=True)])
    assert found.shape == (2, 3, 3)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_every_weight_takes_part() -> None:
    network = SearchNetwork(3, 1, channels=4)
    parameters = {n: t.requires_grad_() for n, t in for_tasks(parameters_of(network), 1).items()}
    loss = network.logits(parameters, labelled(1, 3, 2, 1, 20, seed=0)[0]).square().sum()
    for name, gradient in zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True):
        if "depthwise" in name or "pointwise" in name or name == "reduce.skip":
            assert bool((gradient.flatten(2).abs().amax(-1) > 0).all()), name
        assert bool(gradient.any()), name


def test_a_decided_edge_is_its_operation_alone() -> None:
    """Equation 3 with all weight on identity, and `none` elsewhere: the normal cell's node 0 is its first input."""
    network = SearchNetwork(3, 1, channels=4, nodes=2)
    parameters = parameters_of(network)
    theta = torch.full((2, edge_count(2), 8), -1e3, dtype=torch.float64)
    theta[:, :, 0] = 1e3
    parameters[THETA] = theta
    x = labelled(1, 3, 1, 1, 20, seed=0)[0]
    bias = parameters["classifier.bias"]
    logits = network.logits(for_tasks(parameters, 1), x)
    torch.testing.assert_close(logits, bias.expand(1, 3, 3))

    theta[0, 0] = torch.tensor([-1e3, -1e3, -1e3, 1e3, -1e3, -1e3, -1e3, -1e3])
    states = torch.randn(1, 1, 12, 3, 5, 5, dtype=torch.float64)
    expanded = for_tasks(parameters, 1)
    probabilities = theta.softmax(-1)[None, 0, [0, 2, 1, 3, 4]]
    cell = search_cell(network, expanded, "normal", probabilities, states, states)  # [1, 1, 2 * 4, 3, 5, 5]
    first = oracle.norm(oracle.conv(states[0, 0].transpose(0, 1).relu(), parameters["normal.input0"][:, :, None, None]))
    torch.testing.assert_close(cell[0, 0, :4], first.transpose(0, 1))
    assert not cell[0, 0, 4:].any()
