"""Batch norm by the support set: the definition on one norm, and answers that do not depend on the other queries."""

import pytest
import torch

from tests.helpers import AUTO_MAML_5SHOT
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.inductive import inductive_logits
from tnas_cli.engines.interface import Network
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.operations import batch_norm, statistics_of_first
from tnas_cli.spaces.parameters import for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

NETWORKS = [
    FourConv(3, 1, 20, filters=4),
    DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=4),
    SearchNetwork(3, 1, channels=4, nodes=2),
]


@pytest.mark.parametrize("affine", [False, True])
def test_statistics_are_the_first_images(affine: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 5, 6, 7, generator=generator, dtype=torch.float64)
    gain, bias = (torch.randn(2, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    with statistics_of_first(2):
        found = batch_norm(x, gain if affine else None, bias if affine else None)
    for t, e, c in ((0, 0, 0), (1, 2, 3)):
        first = x[t, e, c, :2]
        expected = (x[t, e, c] - first.mean()) / (first.var(correction=0) + 1e-5).sqrt()
        if affine:
            expected = expected * gain[t, e, c] + bias[t, e, c]
        torch.testing.assert_close(found[t, e, c], expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(batch_norm(x), found)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_an_answer_does_not_depend_on_the_other_query_images(network: Network) -> None:
    w = for_tasks(parameters_of(network), 2)
    support, query = labelled(2, 3, 1, 1, 20, seed=1)[0], labelled(2, 3, 4, 1, 20, seed=2)[0]
    all_at_once = inductive_logits(network, w, support, query)
    assert all_at_once.shape == (2, 12, 3)
    alone = torch.cat([inductive_logits(network, w, support, query[:, q : q + 1]) for q in range(12)], dim=1)
    torch.testing.assert_close(all_at_once, alone, rtol=1e-9, atol=1e-10)
    # Transductive answers do depend on them.
    assert not torch.allclose(network.logits(w, query)[:, :1], network.logits(w, query[:, :1]))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_of_the_support_set_itself_both_kinds_agree(network: Network) -> None:
    w = for_tasks(parameters_of(network), 2)
    support = labelled(2, 3, 2, 1, 20, seed=1)[0]
    torch.testing.assert_close(
        inductive_logits(network, w, support, support), network.logits(w, support), rtol=1e-8, atol=1e-9
    )
