"""Meta-training whose query images are answered by the support images' moments, or by TaskNorm, against the oracle."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests import oracle
from tests.helpers import AUTO_MAML_5SHOT, random_genotype
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.describe import NoKernelError, describe
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine, InnerRule, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import for_tasks
from tnas_cli.spaces.search_network import SearchNetwork
from tnas_cli.spaces.task_norm import TaskNormed, TaskNormedSearch

ENGINES: list[Engine] = [TorchEngine(), FusedEngine()]
RULE = InnerRule(alpha=0.1, beta=2.0, steps=2)
GENOTYPES = [AUTO_MAML_5SHOT, random_genotype(4, 3)]
SEARCH = SearchNetwork(3, 1, channels=8, nodes=2)
NETWORKS = [FourConv(3, 1, 21, filters=8), *(DecodedNetwork(g, 3, 1, channels=8) for g in GENOTYPES), SEARCH]
IDS = ["4CONV", "decoded", "decoded at random", "search network"]


def rate(name: str) -> float:
    return RULE.beta if name == "theta" else RULE.alpha


def plain(network: Network) -> oracle.Logits:
    """The oracle of a network."""
    if isinstance(network, SearchNetwork):
        return lambda w, x: oracle.search_logits(w, x, network.nodes)
    if isinstance(network, DecodedNetwork):
        return lambda w, x: oracle.decoded_logits(w, x, list(network.genotype.normal), list(network.genotype.reduce))
    return oracle.four_conv_logits


def with_task_norm(logits: oracle.Logits) -> oracle.Logits:
    """Outside a block that says otherwise, all images of a pass are the support set."""

    def answered(w: oracle.Weights, x: Tensor) -> Tensor:
        if oracle.Pass.source is not None:
            return logits(w, x)
        with oracle.normalised_by(oracle.task_norm(w, len(x))):
            return logits(w, x)

    return answered


def agrees(
    engine: Engine,
    network: Network,
    logits: oracle.Logits,
    statistics: Callable[[oracle.Weights, int], oracle.Moments],
    *,
    second_order: bool = False,
    shot: int = 1,
) -> None:
    """Equation 8 (or 6) by the engine and by the oracle, in float64."""
    side = 21  # odd sides leave out a row and a column
    w = parameters_of(network)
    for name in w:
        if name.startswith("task_norm"):
            w[name] += 0.3 * torch.arange(len(w[name]), dtype=torch.float64).cos()
    support, query = labelled(2, 3, shot, 1, side, seed=1), labelled(2, 3, 3, 1, side, seed=2)
    found = engine.meta_gradient(network, w, support, query, RULE, second_order=second_order, by_support=True)
    tasks = [((support[0][t], support[1][t]), (query[0][t], query[1][t])) for t in range(2)]
    how = {"second_order": second_order, "statistics": statistics}
    gradients, losses = oracle.meta_gradient(logits, w, tasks, rate, RULE.steps, **how)  # type: ignore[arg-type]
    torch.testing.assert_close(found.query_losses.tolist(), losses, rtol=1e-10, atol=1e-10)
    for name, expected in gradients.items():
        torch.testing.assert_close(found.gradients[name], expected, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("shot", [1, 5])
@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_support_statistics_are_those_of_the_oracle(engine: Engine, network: Network, shot: int) -> None:
    agrees(engine, network, plain(network), lambda w, images: oracle.of_first(images), shot=shot)


def test_second_order_goes_through_the_support_images_moments() -> None:
    agrees(TorchEngine(), SEARCH, plain(SEARCH), lambda w, images: oracle.of_first(images), second_order=True)


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("network", [NETWORKS[0], NETWORKS[2]], ids=["4CONV", "decoded"])
def test_task_norm_is_that_of_the_oracle(network: Network, second_order: bool) -> None:
    logits = with_task_norm(plain(network))
    agrees(TorchEngine(), TaskNormed(network), logits, oracle.task_norm, second_order=second_order)


def test_task_norm_of_the_search_network_ends_in_support_statistics() -> None:
    """Where the mixture's weight is 1 the images' own moments do not count. (Its norms are not the oracle's: of pools
    and skip connections there is one for all edges that leave a state.)"""
    network = TaskNormedSearch(SEARCH)
    w, plain_w = parameters_of(network), parameters_of(SEARCH)
    w |= plain_w
    w["task_norm.offset"] += 60.0
    support, query = labelled(2, 3, 2, 1, 21, seed=1), labelled(2, 3, 3, 1, 21, seed=2)
    found = TorchEngine().meta_gradient(network, w, support, query, RULE, by_support=True)
    expected = TorchEngine().meta_gradient(SEARCH, plain_w, support, query, RULE, by_support=True)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name], gradient, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_gradients_by_other_images_moments(engine: Engine, network: Network) -> None:
    """Without inner steps, the outer gradient is that of the query loss at the parameters themselves."""
    w = parameters_of(network)
    support, query = labelled(1, 3, 2, 1, 21, seed=1), labelled(1, 3, 3, 1, 21, seed=2)
    found = engine.gradients(network, for_tasks(w, 1), query, support[0])
    tasks = [((support[0][0], support[1][0]), (query[0][0], query[1][0]))]
    expected, losses = oracle.meta_gradient(
        plain(network), w, tasks, rate, 0, statistics=lambda w, images: oracle.of_first(images)
    )
    torch.testing.assert_close(found.losses.tolist(), losses, rtol=1e-10, atol=1e-10)
    for name, gradient in expected.items():
        torch.testing.assert_close(found.gradients[name][0], gradient, rtol=1e-9, atol=1e-10, msg=name)
    answered = engine.answering(network, for_tasks(w, 1), support[0])(query[0])
    torch.testing.assert_close(found.logits, answered, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_features_are_what_the_linear_layer_sees(engine: Engine, network: Network) -> None:
    w, x = for_tasks(parameters_of(network), 2), labelled(2, 3, 2, 1, 21, seed=1)[0]
    features = engine.features(network, w, x)
    logits = features @ w["classifier.weight"].transpose(1, 2) + w["classifier.bias"].unsqueeze(1)
    torch.testing.assert_close(logits, engine.predict(network, w, x), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(features, TorchEngine().features(network, w, x), rtol=1e-9, atol=1e-10)


def test_an_image_gets_the_same_answer_by_task_norm_in_any_company() -> None:
    network = TaskNormed(NETWORKS[1])
    w = {name: tensor.float() for name, tensor in for_tasks(parameters_of(network), 1).items()}
    support, query = labelled(1, 3, 1, 1, 20, seed=1)[0].float(), labelled(1, 3, 6, 1, 20, seed=2)[0].float()
    answer = TorchEngine().answering(network, w, support)
    alone = torch.cat([answer(query[:, q : q + 1]).softmax(-1) for q in range(18)], dim=1)
    torch.testing.assert_close(alone, answer(query).softmax(-1), rtol=0, atol=1e-6)


def test_the_kernels_do_not_know_task_norm() -> None:
    for network in (TaskNormed(NETWORKS[1]), TaskNormedSearch(SEARCH)):
        with pytest.raises(NoKernelError, match="TaskNormed"):
            describe(network)


def test_task_norm_counts_the_norms_of_a_network_for_large_images() -> None:
    specs = TaskNormed(FourConv(5, 3, 84, filters=4)).specs()
    assert specs["task_norm.scale"].shape == specs["task_norm.offset"].shape == (4,)
