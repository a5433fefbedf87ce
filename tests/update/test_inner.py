"""Inner steps against torch.optim.SGD on a copy of one task's parameters, with the oracle's network."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.helpers import AUTO_MAML_5SHOT
from tests.synthetic import labelled, parameters_of, worst_relative_error
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.update import inner

ALPHA, BETA = 0.05, 3.0
SEARCH = SearchNetwork(3, 1, channels=4)
SUPPORT = labelled(2, 3, 1, 1, 20, seed=0)


def losses_of(network) -> inner.Loss:
    def loss(parameters: Parameters) -> Tensor:
        logits = network.logits(parameters, SUPPORT[0])
        return torch.stack([F.cross_entropy(*task) for task in zip(logits, SUPPORT[1], strict=True)])

    return loss


def by_sgd(logits, w: Parameters, task: int, groups: list[list[str]]) -> Parameters:
    """One step of torch.optim.SGD per group of names, each on a gradient of its own."""
    copy = {name: tensor.clone().requires_grad_() for name, tensor in w.items()}
    for names in groups:
        optimiser = torch.optim.SGD(
            [{"params": [copy[name]], "lr": BETA if name == THETA else ALPHA} for name in names]
        )
        for tensor in copy.values():
            tensor.grad = None
        F.cross_entropy(logits(copy, SUPPORT[0][task]), SUPPORT[1][task]).backward()
        optimiser.step()
    return {name: tensor.detach() for name, tensor in copy.items()}


def rates(w: Parameters) -> dict[str, float]:
    return {name: BETA if name == THETA else ALPHA for name in w}


def assert_same(found: Parameters, expected: list[Parameters]) -> None:
    for task, wanted in enumerate(expected):
        assert worst_relative_error({name: tensor[task].detach() for name, tensor in found.items()}, wanted) < 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("create_graph", [False, True])
def test_equation_1_on_a_fixed_network(create_graph: bool) -> None:
    network = DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=4)
    w = parameters_of(network)

    def logits(w: Parameters, x: Tensor) -> Tensor:
        return oracle.decoded_logits(w, x, AUTO_MAML_5SHOT.normal, AUTO_MAML_5SHOT.reduce)

    start = {name: tensor.requires_grad_(create_graph) for name, tensor in for_tasks(w, 2).items()}
    _, found = inner.simultaneous(losses_of(network), start, rates(w), create_graph=create_graph)
    assert_same(found, [by_sgd(logits, w, task, [list(w)]) for task in range(2)])


@pytest.mark.slow
@pytest.mark.parametrize("create_graph", [False, True])
def test_equation_7_moves_w_and_theta_by_one_backward_pass(create_graph: bool) -> None:
    w = parameters_of(SEARCH)
    start = {name: tensor.requires_grad_(create_graph) for name, tensor in for_tasks(w, 2).items()}
    losses, found = inner.simultaneous(losses_of(SEARCH), start, rates(w), create_graph=create_graph)
    assert_same(found, [by_sgd(oracle.search_logits, w, task, [list(w)]) for task in range(2)])
    torch.testing.assert_close(losses, losses_of(SEARCH)(for_tasks(w, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("create_graph", [False, True])
def test_equation_5_moves_theta_at_the_new_w(create_graph: bool) -> None:
    w = parameters_of(SEARCH)
    start = {name: tensor.requires_grad_(create_graph) for name, tensor in for_tasks(w, 2).items()}
    losses, found = inner.alternating(losses_of(SEARCH), start, rates(w), second=(THETA,), create_graph=create_graph)
    groups = [[name for name in w if name != THETA], [THETA]]
    assert_same(found, [by_sgd(oracle.search_logits, w, task, groups) for task in range(2)])
    torch.testing.assert_close(losses, losses_of(SEARCH)(for_tasks(w, 2)))


def test_equations_5_and_7_differ_in_theta_alone() -> None:
    w = parameters_of(SEARCH)
    _, together = inner.simultaneous(losses_of(SEARCH), for_tasks(w, 2), rates(w))
    _, in_turn = inner.alternating(losses_of(SEARCH), for_tasks(w, 2), rates(w), second=(THETA,))
    changed = {name for name in w if not torch.equal(together[name], in_turn[name])}
    assert changed == {THETA}


def test_what_has_no_rate_stays() -> None:
    w = parameters_of(SEARCH)
    _, found = inner.simultaneous(losses_of(SEARCH), for_tasks(w, 2), {THETA: BETA})
    moved = {name for name, tensor in found.items() if not torch.equal(tensor[0], w[name])}
    assert moved == {THETA}


def test_the_second_order_of_equation_5_on_a_loss_solved_by_hand() -> None:
    """L = w^2 theta: w' = w - 2 a w theta; theta' = theta - b w'^2 with w' held fixed in the partial derivative.

    d theta' / d theta still sees theta through w': 1 - 2 b w' dw'/dtheta = 1 + 4 a b w w'.
    """
    a, b = 0.1, 0.3
    w, theta = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (0.7, 1.3))

    def loss(at: Parameters) -> Tensor:
        return at["w"] ** 2 * at["theta"]

    _, after = inner.alternating(
        loss, {"w": w, "theta": theta}, {"w": a, "theta": b}, second=("theta",), create_graph=True
    )
    new_w = 0.7 - 2 * a * 0.7 * 1.3
    assert after["w"].item() == pytest.approx(new_w, rel=1e-14)
    assert after["theta"].item() == pytest.approx(1.3 - b * new_w**2, rel=1e-14)
    by_theta, by_w = torch.autograd.grad(after["theta"], [theta, w])
    assert float(by_theta) == pytest.approx(1 + 4 * a * b * 0.7 * new_w, rel=1e-13)
    assert float(by_w) == pytest.approx(-2 * b * new_w * (1 - 2 * a * 1.3), rel=1e-13)
