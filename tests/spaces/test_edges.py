import pytest

from tnas_cli.spaces.edges import edge_count, group_sizes, source_order, theta_order, theta_rows_by_source


def test_theta_lists_edges_node_by_node() -> None:
    """The order of DARTS: node 0 from both inputs, node 1 from both inputs and node 0, and so on."""
    assert theta_order(3) == ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2), (3, 2))
    assert edge_count(4) == len(theta_order(4)) == 14


def test_weights_lie_source_by_source() -> None:
    assert source_order(3) == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 2))
    assert theta_rows_by_source(3) == (0, 2, 5, 1, 3, 6, 4, 7, 8)
    assert list(group_sizes(3)) == [6, 2, 1]


@pytest.mark.parametrize("nodes", [2, 3, 4, 5])
def test_a_group_is_all_that_leaves_its_states(nodes: int) -> None:
    order, sizes = source_order(nodes), group_sizes(nodes)
    assert sum(sizes) == edge_count(nodes)
    first = 0
    for group, size in enumerate(sizes):
        sources = {0, 1} if group == 0 else {group + 1}
        assert {source for source, _ in order[first : first + size]} == sources
        first += size
    assert [theta_order(nodes)[row] for row in theta_rows_by_source(nodes)] == list(order)
