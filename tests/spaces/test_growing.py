"""Cells of one node, and cells with one more."""

from __future__ import annotations

from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.growing import node_choices, with_one_more, with_one_node
from tnas_cli.spaces.registry import space


def test_all_cells_of_one_node_and_none_twice() -> None:
    """Two edges of 7 operations from 2 states: 14 * 15 / 2."""
    found = with_one_node(DARTS)
    assert len(found) == len({cell.digest for cell in found}) == 105
    assert all(cell.nodes == 1 and cell.normal == cell.reduce for cell in found)
    assert len({frozenset([cell.normal[0], cell.normal[1]]) for cell in found}) == 105  # whatever their order
    assert all(name != "none" for cell in found for name, _ in cell.normal)


def test_one_node_more_keeps_the_others_and_reads_all_earlier_states() -> None:
    (begin, *_) = with_one_node(DARTS)
    found = with_one_more(begin, DARTS)
    assert len(found) == len(set(found)) == 21 * 22 // 2
    assert all(cell.normal[:2] == begin.normal and cell.nodes == 2 for cell in found)
    assert {source for cell in found for _, source in cell.normal[2:]} == {0, 1, 2}
    assert [len(node_choices(DARTS, position)) for position in range(4)] == [105, 231, 406, 630]


def test_cells_of_another_space_name_it() -> None:
    assert {cell.space for cell in with_one_node(space("tiny"))} == {"tiny"}
