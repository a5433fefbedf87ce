"""ENAS's micro space: its shares by hand, its network against the oracle, decoding against brute force, its sizes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.spaces import space_oracle
from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.choose import why_not_fused
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import SettingsError
from tnas_cli.methods.soft_pruning import between
from tnas_cli.report.figures.smoothness import smoothness
from tnas_cli.spaces.decode import normalised_entropy
from tnas_cli.spaces.enas import ENAS
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.known_genotypes import known
from tnas_cli.spaces.parameters import CLOSED, THETA, draw

NETWORK = ENAS.search_network(3, 1, 4, 5)
NAMES = [row.name for row in ENAS.operations]


def begun() -> Tensor:
    """theta as a search begins, in double precision."""
    return draw({THETA: NETWORK.specs()[THETA]}, torch.Generator().manual_seed(0))[THETA].double()


def a_theta(seed: int) -> Tensor:
    drawn = begun()
    noise = torch.randn(drawn.shape, generator=torch.Generator().manual_seed(seed), dtype=drawn.dtype)
    return torch.where(drawn == CLOSED, drawn, noise)


def shares_by_hand(theta: Tensor) -> dict[tuple[int, int, int, int], float]:
    """{(cell, source, node, operation): share}, by loops over decisions without closed entries."""
    found: dict[tuple[int, int, int, int], float] = {}
    for cell, node, side in product(range(2), range(5), range(2)):
        states = theta[cell, 4 * node + side, : node + 2].softmax(0)
        operations = theta[cell, 4 * node + 2 + side, :5].softmax(0)
        for source, operation in product(range(node + 2), range(5)):
            key = (cell, source, node, operation)
            found[key] = found.get(key, 0.0) + float(states[source] * operations[operation])
    return found


def test_180_numbers_of_theta_are_choices() -> None:
    theta = begun()
    assert theta.shape == (2, 20, 6)
    assert int((theta != CLOSED).sum()) == 180


def test_the_search_network_is_that_of_the_oracle_at_the_same_shares() -> None:
    """On shares that loops over the decisions find."""
    w = parameters_of(NETWORK, 3) | {THETA: a_theta(3)}
    x, _ = labelled(1, 3, 1, 1, 20, seed=1)
    found = NETWORK.logits({name: tensor.unsqueeze(0) for name, tensor in w.items()}, x)[0]
    by_hand = shares_by_hand(w[THETA])

    def weights(cell: int, row: int) -> Tensor:
        source, node = [(s, n) for n in range(5) for s in range(n + 2)][row]
        return torch.tensor([by_hand.get((cell, source, node, o), 0.0) for o in range(6)], dtype=torch.float64)

    rows = torch.stack([torch.stack([weights(cell, row) for row in range(20)]) for cell in range(2)])
    expected = space_oracle.search_logits(w | {"shares": rows}, x[0], NAMES, 5)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_adapting_moves_theta_but_no_closed_entry() -> None:
    w = parameters_of(NETWORK, 1) | {THETA: begun()}
    support = labelled(1, 3, 1, 1, 20, seed=4)
    own = TorchEngine().adapt(NETWORK, w, support, InnerRule(0.05, 30.0, 2)).parameters[THETA][0]
    closed = w[THETA] == CLOSED
    assert torch.equal(own[closed], w[THETA][closed])
    assert bool((own[~closed] != w[THETA][~closed]).all())


@pytest.mark.parametrize("seed", range(3))
def test_decoding_is_the_most_probable_pair_and_the_next_one_where_sides_agree(seed: int) -> None:
    theta = a_theta(seed)
    if seed == 0:  # both sides alike
        theta = theta.unflatten(1, (5, 2, 2))[:, :, :, :1].expand(2, 5, 2, 2, 6).reshape(2, 20, 6)
    found = ENAS.decode(theta)
    for cell, edges in zip(theta, (found.normal, found.reduce), strict=True):
        for node in range(5):
            chosen: list[tuple[int, str]] = []
            for side in range(2):
                states, operations = (cell[4 * node + 2 * kind + side].softmax(0) for kind in range(2))
                pairs = sorted(
                    product(range(node + 2), range(5)), key=lambda p: -float(states[p[0]] * operations[p[1]])
                )
                chosen.append(next((s, NAMES[o]) for s, o in pairs if (s, NAMES[o]) not in chosen))
            order = [(s, NAMES.index(name)) for s, name in chosen]
            assert [(NAMES[o], s) for s, o in sorted(order)] == list(edges[2 * node : 2 * node + 2])


def test_a_genotypes_choices_alone_are_its_decoded_network() -> None:
    """After soft pruning every edge computes what the genotype keeps, an edge that it keeps twice twice."""
    genotype = Genotype(
        (("sep_conv_3x3", 1), ("sep_conv_3x3", 1)) * 5, (("skip_connect", 0), ("avg_pool_3x3", 0)) * 5, "enas"
    )
    theta = between(a_theta(0), ENAS.one_hot(genotype).double(), 1.0)
    by_hand = shares_by_hand(theta)
    kept = {key: share for key, share in by_hand.items() if share > 1e-9}
    operation = {name: NAMES.index(name) for name in NAMES}
    expected = {(0, 1, node, operation["sep_conv_3x3"]): 2.0 for node in range(5)}
    expected |= {(1, 0, node, operation[name]): 1.0 for node in range(5) for name in ("skip_connect", "avg_pool_3x3")}
    assert kept == pytest.approx(expected)


def test_what_one_hot_says_decodes_to_it() -> None:
    genotype = ENAS.random(np.random.default_rng(4), 5)
    theta = between(a_theta(1), ENAS.one_hot(genotype).double(), 1.0)
    twice = any(
        a == b for cell in (genotype.normal, genotype.reduce) for a, b in zip(cell[::2], cell[1::2], strict=True)
    )
    assert not twice
    order = lambda cell: [sorted(pair) for pair in zip(cell[::2], cell[1::2], strict=True)]  # noqa: E731
    found = ENAS.decode(theta)
    assert (order(found.normal), order(found.reduce)) == (order(genotype.normal), order(genotype.reduce))


def test_uniform_is_the_mean_of_the_largest_probabilities() -> None:
    theta = begun()
    theta[theta != CLOSED] = 0
    assert ENAS.uniform == pytest.approx(float(theta.softmax(-1).amax(-1).mean()))


def test_the_entropy_of_rows_with_fewer_choices_is_1_where_nothing_is_decided() -> None:
    theta = begun()
    assert float(normalised_entropy(theta)) == pytest.approx(1, abs=1e-6)
    theta[0, 0, 1] = 50.0  # the first of 40 rows decides between two states
    assert float(normalised_entropy(theta)) == pytest.approx(39 / 40, abs=1e-6)
    assert smoothness(theta.numpy()).entropy == pytest.approx(39 / 40, abs=1e-6)


def test_who_computes_it_and_what_is_refused() -> None:
    assert "EnasSearchNetwork" in (why_not_fused(NETWORK, torch.device("cpu")) or "")
    published = known("ENAS-paper")
    assert published is not None
    genotype = Genotype(published.cells.normal.edges, published.cells.reduce.edges, "enas")
    assert why_not_fused(ENAS.decoded_network(genotype, 5, 1, 16), torch.device("cpu")) is None
    with pytest.raises(SettingsError, match="nodes is 4"):
        ENAS.search_network(3, 1, 4, 4)
    with pytest.raises(SettingsError, match="max_skips"):
        ENAS.decode(a_theta(0), 1)
