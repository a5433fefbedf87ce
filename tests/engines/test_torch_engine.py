"""The engine, all tasks at once, against the oracle, one task after the other, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests import oracle
from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tests.synthetic import each_task, labelled, parameters_of, worst_relative_error
from tnas_cli.engines.interface import InnerRule, MetaGradient
from tnas_cli.engines.torch_engine import TorchEngine, task_accuracies, task_losses
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.search_network import SearchNetwork

#: Cells that leave their first input alone.
ONE_INPUT = Genotype((("sep_conv_3x3", 1), ("skip_connect", 1)), (("max_pool_3x3", 1), ("dil_conv_3x3", 1)))

RULE = InnerRule(alpha=0.05, beta=3.0, steps=2)
ALTERNATING = InnerRule(alpha=0.05, beta=3.0, steps=2, alternating=True)


def rate(name: str) -> float:
    return 3.0 if name == "theta" else 0.05


def compared(found: MetaGradient, expected: tuple[Parameters, list[float]]) -> None:
    gradients, losses = expected
    assert worst_relative_error(found.gradients, gradients) < 1e-10
    torch.testing.assert_close(found.query_losses, torch.tensor(losses, dtype=torch.float64), rtol=1e-10, atol=0)


@pytest.mark.parametrize("rule", [RULE, ALTERNATING], ids=["equation 7", "equation 5"])
@pytest.mark.parametrize("second_order", [False, True], ids=["equation 8", "equation 6"])
@pytest.mark.parametrize(("size", "channels"), [(20, 1), (33, 3), (52, 1)])
def test_meta_gradient_of_the_search_network(size: int, channels: int, second_order: bool, rule: InnerRule) -> None:
    network = SearchNetwork(3, channels, channels=4)
    w = parameters_of(network)
    support, query = labelled(2, 3, 1, channels, size, seed=1), labelled(2, 3, 2, channels, size, seed=2)
    found = TorchEngine().meta_gradient(network, w, support, query, rule, second_order=second_order)
    tasks = list(zip(each_task(support), each_task(query), strict=True))
    expected = oracle.meta_gradient(
        oracle.search_logits, w, tasks, rate, 2, second_order=second_order, alternating=rule.alternating
    )
    compared(found, expected)


@pytest.mark.parametrize("second_order", [False, True], ids=["first order", "equation 2"])
@pytest.mark.parametrize("genotype", [AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype(5), ONE_INPUT])
def test_meta_gradient_of_a_decoded_network(genotype: Genotype, second_order: bool) -> None:
    network = DecodedNetwork(genotype, 3, 1, channels=4)
    w = parameters_of(network)
    support, query = labelled(2, 3, 1, 1, 27, seed=1), labelled(2, 3, 2, 1, 27, seed=2)
    found = TorchEngine().meta_gradient(network, w, support, query, RULE, second_order=second_order)

    def logits(w: Parameters, x: Tensor) -> Tensor:
        return oracle.decoded_logits(w, x, genotype.normal, genotype.reduce)

    tasks = list(zip(each_task(support), each_task(query), strict=True))
    compared(found, oracle.meta_gradient(logits, w, tasks, rate, 2, second_order=second_order))


NETWORK = SearchNetwork(3, 1, channels=4)


@pytest.mark.parametrize("rule", [RULE, ALTERNATING], ids=["equation 7", "equation 5"])
def test_adapt_takes_each_task_where_the_oracle_does(rule: InnerRule) -> None:
    w = parameters_of(NETWORK)
    support, (x, _) = labelled(2, 3, 1, 1, 20, seed=1), labelled(2, 3, 2, 1, 20, seed=2)
    adapted = TorchEngine().adapt(NETWORK, w, support, rule)
    predicted = TorchEngine().predict(NETWORK, adapted.parameters, x)
    assert adapted.support_losses.shape == (2, 3)
    for i, task in enumerate(each_task(support)):
        states = [
            oracle.inner_steps(oracle.search_logits, w, task, rate, steps, alternating=rule.alternating)
            for steps in range(3)
        ]
        own = {name: tensor[i].detach() for name, tensor in adapted.parameters.items()}
        assert worst_relative_error(own, states[-1]) < 1e-10
        losses = torch.stack([F.cross_entropy(oracle.search_logits(at, task[0]), task[1]) for at in states])
        torch.testing.assert_close(adapted.support_losses[i], losses, rtol=1e-10, atol=0)
        torch.testing.assert_close(predicted[i], oracle.search_logits(states[-1], x[i]), rtol=1e-9, atol=1e-10)
    assert not predicted.requires_grad
    assert not adapted.support_losses.requires_grad


def test_a_task_does_not_see_the_others_of_its_batch() -> None:
    w = parameters_of(NETWORK)
    support, query = labelled(3, 3, 1, 1, 20, seed=1), labelled(3, 3, 2, 1, 20, seed=2)
    engine = TorchEngine()
    together = engine.adapt(NETWORK, w, support, RULE)
    summed = engine.meta_gradient(NETWORK, w, support, query, RULE)
    total = {name: torch.zeros_like(tensor) for name, tensor in w.items()}
    for i in range(3):
        only = (support[0][i : i + 1], support[1][i : i + 1]), (query[0][i : i + 1], query[1][i : i + 1])
        alone = engine.adapt(NETWORK, w, only[0], RULE)
        found = {name: tensor[i].detach() for name, tensor in together.parameters.items()}
        assert worst_relative_error(found, {name: t[0].detach() for name, t in alone.parameters.items()}) < 1e-11
        gradient = engine.meta_gradient(NETWORK, w, *only, RULE)
        torch.testing.assert_close(summed.query_losses[i : i + 1], gradient.query_losses, rtol=1e-11, atol=0)
        total = {name: total[name] + gradient.gradients[name] for name in total}
    assert worst_relative_error(summed.gradients, total) < 1e-11


def test_the_meta_parameters_are_left_alone() -> None:
    w = parameters_of(NETWORK)
    before = {name: tensor.clone() for name, tensor in w.items()}
    support = labelled(2, 3, 1, 1, 20, seed=1)
    for second_order in (False, True):
        TorchEngine().meta_gradient(NETWORK, w, support, support, RULE, second_order=second_order)
    TorchEngine().adapt(NETWORK, w, support, RULE)
    assert all(torch.equal(w[name], before[name]) and w[name].grad is None for name in w)
    assert not any(tensor.requires_grad for tensor in w.values())


def test_losses_and_accuracies_per_task() -> None:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0]], [[0.0, 3.0], [0.0, 1.0]]])
    labels = torch.tensor([[0, 0], [0, 1]])
    expected = [[(-2.0 + 0.0, 0.0), (1.0, 0.0)], [(3.0, 0.0), (-1.0, 0.0)]]
    losses = [sum(float(torch.tensor(pair).logsumexp(0)) for pair in task) / 2 for task in expected]
    torch.testing.assert_close(task_losses(logits, labels), torch.tensor(losses))
    assert task_accuracies(logits, labels).tolist() == [0.5, 0.5]
