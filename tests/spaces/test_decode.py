from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, OPERATIONS
from tnas_cli.errors import SettingsError
from tnas_cli.spaces.decode import decidedness, decode, largest_probability, nodes_of, normalised_entropy
from tnas_cli.spaces.edges import edge_count
from tnas_cli.spaces.genotype import Genotype


def by_brute_force(theta: torch.Tensor, nodes: int) -> Genotype:
    """Try every pair of incoming edges and every pair of operations but `none`; the largest sum of weights wins."""
    return Genotype(*(cell_by_brute_force(weights_of(matrix), nodes, set()) for matrix in theta))


def refined_by_brute_force(theta: torch.Tensor, nodes: int, max_skips: int) -> Genotype:
    """Decode a cell, forbid the skip connection of its weakest edge, decode again, until there are few enough."""
    cells = []
    for matrix in theta:
        weights, without_skip = weights_of(matrix), set[tuple[int, int]]()
        while True:
            cell = cell_by_brute_force(weights, nodes, without_skip)
            edges = [(position // 2, source) for position, (name, source) in enumerate(cell) if name == "skip_connect"]
            if len(edges) <= max_skips:
                break
            without_skip.add(min(edges, key=lambda edge: weights[edge[0] * (edge[0] + 3) // 2 + edge[1]][3]))
        cells.append(cell)
    return Genotype(*cells)


def weights_of(matrix: torch.Tensor) -> list[list[float]]:
    """The softmax of each edge [edges][8]."""
    return [[float(value) for value in row.exp() / row.exp().sum()] for row in matrix.double()]


def cell_by_brute_force(
    weights: list[list[float]], nodes: int, without_skip: set[tuple[int, int]]
) -> tuple[tuple[str, int], ...]:
    """One cell; on the edges (node, source) of `without_skip` skip_connect may not be chosen."""
    first, cell = 0, []
    for node in range(nodes):
        rows = weights[first : first + node + 2]
        first += node + 2
        choices = (
            (rows[a][o] + rows[b][p], a, o, b, p)
            for a, b in combinations(range(node + 2), 2)
            for o, p in product(range(1, 8), repeat=2)
            if not (o == 3 and (node, a) in without_skip) and not (p == 3 and (node, b) in without_skip)
        )
        _, a, o, b, p = max(choices)
        cell += [(OPERATIONS[o], a), (OPERATIONS[p], b)]
    return tuple(cell)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), nodes=st.integers(2, 4), scale=st.sampled_from([1e-3, 1.0, 8.0]))
def test_decode_equals_brute_force(seed: int, nodes: int, scale: float) -> None:
    theta = scale * torch.randn(2, edge_count(nodes), 8, generator=torch.Generator().manual_seed(seed))
    assert nodes_of(theta) == nodes
    assert decode(theta) == by_brute_force(theta, nodes)


@pytest.mark.parametrize("genotype", [AUTO_MAML_1SHOT, AUTO_MAML_5SHOT])
def test_a_theta_made_for_a_genotype_decodes_to_it(genotype: Genotype) -> None:
    theta = torch.zeros(2, 14, 8)
    for kind, cell in enumerate((genotype.normal, genotype.reduce)):
        for position, (operation, source) in enumerate(cell):
            node = position // 2
            theta[kind, node * (node + 3) // 2 + source, OPERATIONS.index(operation)] = 3.0
    found = decode(theta)
    for kind in ("normal", "reduce"):
        wanted, got = genotype.cell(kind), found.cell(kind)
        for first in range(0, 8, 2):
            assert sorted(wanted[first : first + 2]) == sorted(got[first : first + 2])
            assert got[first][1] < got[first + 1][1]


def test_none_is_never_chosen_but_weakens_its_edge() -> None:
    """All edges prefer one operation equally; an edge where `none` takes most of the softmax loses."""
    theta = torch.zeros(2, 5, 8)
    theta[:, :, 4] = 1.0
    theta[:, 3, 0] = 9.0  # node 1, from state 1
    found = decode(theta)
    assert found.normal[2:] == (("sep_conv_3x3", 0), ("sep_conv_3x3", 2))


def test_ties_go_to_the_earlier_edge_and_the_earlier_operation() -> None:
    found = decode(torch.zeros(2, 14, 8))
    assert found.normal == found.reduce == (("max_pool_3x3", 0), ("max_pool_3x3", 1)) * 4


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nodes=st.integers(2, 4),
    scale=st.sampled_from([1e-3, 1.0, 8.0]),
    towards_skip=st.sampled_from([0.0, 1.0, 4.0]),
    max_skips=st.integers(0, 8),
)
def test_few_skips_equal_brute_force(seed: int, nodes: int, scale: float, towards_skip: float, max_skips: int) -> None:
    theta = scale * torch.randn(2, edge_count(nodes), 8, generator=torch.Generator().manual_seed(seed))
    theta[..., 3] += towards_skip
    before, found = decode(theta), decode(theta, max_skips)
    assert found == refined_by_brute_force(theta, nodes, max_skips)
    for name in ("normal", "reduce"):
        assert skips_of(found, name) <= max_skips
        if skips_of(before, name) <= max_skips:
            assert found.cell(name) == before.cell(name)


def skips_of(genotype: Genotype, name: str) -> int:
    """Skip connections of one cell."""
    return sum(operation == "skip_connect" for operation, _ in genotype.cell(name))


def test_a_forbidden_skip_connection_may_leave_its_edge_to_another_operation_or_to_another_edge() -> None:
    """Node 1 of the normal cell keeps two skips; the weaker one is forbidden, and then the third edge is stronger."""
    theta = torch.zeros(2, 5, 8)
    theta[0, :, 4] = 1.0
    theta[0, 2, 3], theta[0, 3, 3], theta[0, 4, 4] = 3.0, 2.5, 2.0
    assert decode(theta).normal[2:] == (("skip_connect", 0), ("skip_connect", 1))
    assert decode(theta, 1).normal[2:] == (("skip_connect", 0), ("sep_conv_3x3", 2))
    assert decode(theta, 0).normal[2:] == (("sep_conv_3x3", 1), ("sep_conv_3x3", 2))
    theta[0, 4, 0] = 4.0  # `none` weakens the third edge, so the second stays, with its second operation
    assert decode(theta, 1).normal[2:] == (("skip_connect", 0), ("sep_conv_3x3", 1))


def test_of_equally_weak_skip_connections_the_latest_edge_loses() -> None:
    theta, skipless = torch.zeros(2, 5, 8), (("max_pool_3x3", 0), ("max_pool_3x3", 1))
    theta[:, :, 3] = 2.0
    # Node 1: edge 1 loses its skip connection, edge 2 replaces it with its own and loses that too, then edge 1 returns.
    assert decode(theta, 3).normal == (*(("skip_connect", source) for source in (0, 1, 0)), ("max_pool_3x3", 1))
    assert decode(theta, 2).normal == (*(("skip_connect", source) for source in (0, 1)), *skipless)
    assert decode(theta, 0).normal == skipless * 2


def test_fewer_than_no_skip_connections_are_refused() -> None:
    with pytest.raises(SettingsError, match="max_skips is -1"):
        decode(torch.zeros(2, 5, 8), -1)


def test_measures_of_decision() -> None:
    theta = torch.zeros(2, 5, 8)
    assert float(decidedness(theta)) == pytest.approx(1 / 8)
    assert largest_probability(theta) == pytest.approx(1 / 8)
    theta[0, 0, 3] = 50.0
    assert float(decidedness(theta)) == pytest.approx((9 / 8 + 1) / 10)
    assert largest_probability(theta) == pytest.approx(1.0)
    assert decidedness(torch.zeros(3, 2, 5, 8)).shape == (3,)


def test_normalised_entropy_by_hand() -> None:
    theta = torch.zeros(2, 3, 8)
    assert float(normalised_entropy(theta)) == pytest.approx(1)
    theta[0, 0] = torch.tensor([0.0, 0.0, *[-100.0] * 6])  # two operations share the edge: log 2 / log 8 = 1/3
    assert float(normalised_entropy(theta)) == pytest.approx((5 + 1 / 3) / 6)
    theta[..., 0] = 100.0
    assert float(normalised_entropy(theta)) == pytest.approx(0, abs=1e-6)
