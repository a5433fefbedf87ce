"""Inductive answers: batch norm by the support set's moments, and an answer that depends on no other query image."""

import pytest
import torch
from torch import Tensor

from tests.helpers import AUTO_MAML_5SHOT, random_genotype
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.fused_engine import FusedEngine
from tnas_cli.engines.interface import Engine, Network
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.moments import moments_given, moments_kept
from tnas_cli.spaces.operations import batch_norm
from tnas_cli.spaces.parameters import for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

NETWORKS = [
    FourConv(3, 1, 20, filters=8),
    DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=8),
    DecodedNetwork(random_genotype(4, 3), 3, 1, channels=8),
    SearchNetwork(3, 1, channels=8, nodes=2),
]
IDS = ["4CONV", "decoded", "decoded at random", "search network"]
ENGINES: list[Engine] = [TorchEngine(), FusedEngine()]


@pytest.mark.parametrize("affine", [False, True])
def test_moments_are_those_of_the_images_they_were_kept_of(affine: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(2, 3, 4, n, 6, 7, generator=generator, dtype=torch.float64) for n in (2, 5))
    gain, bias = (torch.randn(2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    affines = (gain, bias) if affine else ()
    with moments_kept() as kept:
        first = batch_norm(x, *affines)
    with moments_given(kept):
        found = batch_norm(other, *affines)
    torch.testing.assert_close(first, batch_norm(x, *affines), rtol=1e-10, atol=1e-10)
    for t, e, c in ((0, 0, 0), (1, 2, 3)):
        measured = x[t, e, c]
        expected = (other[t, e, c] - measured.mean()) / (measured.var(correction=0) + 1e-5).sqrt()
        if affine:
            expected = expected * gain[t, e, c] + bias[t, e, c]
        torch.testing.assert_close(found[t, e, c], expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(batch_norm(other, *affines), found)


def by_oracle(network: Network, parameters: dict[str, Tensor], support: Tensor, query: Tensor) -> Tensor:
    """The definition: every batch norm of a pass over support and query images sees the support images alone."""

    class OfTheFirst:
        def __call__(self, x: Tensor):  # [T, E, C, N, H, W]
            from tnas_cli.spaces.moments import moments_of

            return moments_of(x[:, :, :, : support.shape[1]])

    from tnas_cli.spaces import moments

    with moments._from(OfTheFirst()):
        return network.logits(parameters, torch.cat([support, query], dim=1))[:, support.shape[1] :]


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_every_engine_answers_as_the_definition_says(engine: Engine, network: Network) -> None:
    w = for_tasks(parameters_of(network), 2)
    support, query = labelled(2, 3, 2, 1, 20, seed=1)[0], labelled(2, 3, 7, 1, 20, seed=2)[0]
    found = engine.answering(network, w, support)(query)
    torch.testing.assert_close(found, by_oracle(network, w, support, query), rtol=1e-9, atol=1e-10)
    # The published way does depend on the batch.
    assert not torch.allclose(engine.predict(network, w, query)[:, :3], engine.predict(network, w, query[:, :3]))


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_an_image_gets_the_same_answer_in_any_company(engine: Engine, network: Network) -> None:
    """Alone, in batches of any size, in any order: to the last bit in float32 by the fused engine, to 1e-6 by torch."""
    w = {name: tensor.float() for name, tensor in for_tasks(parameters_of(network), 1).items()}
    support, query = labelled(1, 3, 1, 1, 20, seed=1)[0].float(), labelled(1, 3, 12, 1, 20, seed=2)[0].float()
    answer = engine.answering(network, w, support)
    expected = answer(query).softmax(-1)  # [1, 36, 3]
    order = torch.randperm(36, generator=torch.Generator().manual_seed(3))
    shuffled = torch.empty_like(expected)
    shuffled[:, order] = answer(query[:, order]).softmax(-1)
    alone = torch.cat([answer(query[:, q : q + 1]).softmax(-1) for q in range(36)], dim=1)
    by_fives = torch.cat([answer(query[:, q : q + 5]).softmax(-1) for q in range(0, 36, 5)], dim=1)
    again = engine.answering(network, w, support)(query).softmax(-1)
    for found in (shuffled, alone, by_fives, again):
        if engine.name == "fused":
            assert torch.equal(found, expected)
        else:
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES, ids=["torch", "fused"])
@pytest.mark.parametrize("network", NETWORKS, ids=IDS)
def test_of_the_support_set_itself_both_kinds_agree(engine: Engine, network: Network) -> None:
    w = for_tasks(parameters_of(network), 2)
    support = labelled(2, 3, 2, 1, 20, seed=1)[0]
    found = engine.answering(network, w, support)(support)
    torch.testing.assert_close(found, engine.predict(network, w, support), rtol=1e-8, atol=1e-9)
