"""Published cells: their contents, their names, and whether they fit the search space."""

from __future__ import annotations

import pytest

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.cells import Cell, Cells
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.known_genotypes import KNOWN, known, unpublished

#: Copied from DARTS's genotypes.py, not from tnas.
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def cells(name: str) -> Cells:
    found = known(name)
    assert found is not None
    return found.cells


@pytest.mark.parametrize(
    ("name", "genotype"), [("auto-maml-1shot", AUTO_MAML_1SHOT), ("AUTO_MAML_5SHOT", AUTO_MAML_5SHOT)]
)
def test_auto_maml(name: str, genotype: Genotype) -> None:
    assert cells(name).to_genotype() == genotype


def test_darts_prints_as_it_was_published() -> None:
    assert cells("DARTS_V2").to_darts() == DARTS_V2
    assert cells("darts") == Cells.of(Genotype.parse(DARTS_V2))
    assert cells("DARTS_V1") != cells("DARTS_V2")


def test_nasnet_and_amoebanet_lie_outside_of_the_search_space() -> None:
    nasnet, amoebanet = cells("NASNet"), cells("amoebanet-a")
    assert nasnet.normal.concat == (2, 3, 4, 5, 6)
    assert nasnet.reduce.concat == amoebanet.normal.concat == (4, 5, 6)
    assert amoebanet.reduce.edges[8] == ("conv_7x1_1x7", 0)
    assert not nasnet.in_search_space and not amoebanet.in_search_space
    with pytest.raises(GenotypeError, match=r"concatenates \[4, 5, 6\]"):
        nasnet.to_genotype()
    with pytest.raises(GenotypeError, match="sep_conv_7x7"):
        Cells(nasnet.normal, Cell((("sep_conv_7x7", 0),) * 10, (2, 3, 4, 5, 6))).to_genotype()


def test_cells_survive_json_and_have_a_digest_of_their_own() -> None:
    everything = [other.cells for other in KNOWN]
    for one in everything:
        assert Cells.from_json(one.to_json()) == one
    assert len({one.digest for one in everything}) == len(everything)


def test_a_genotypes_cells_are_its_own_again() -> None:
    genotype = random_genotype(3)
    assert Cells.of(genotype).to_genotype() == genotype
    assert Cells.of(genotype).digest == genotype.digest
    assert Cells.from_json(genotype.to_json()) == Cells.of(genotype)


def test_an_unknown_name() -> None:
    assert known("DARTS_V3") is None


def loose_ends(cell: Cell) -> tuple[int, ...]:
    used = {source for _, source in cell.edges}
    return tuple(state for state in range(2, 2 + cell.nodes) if state not in used)


@pytest.mark.parametrize("name", ["ENAS", "ENAS-paper"])
def test_enas_joins_its_loose_ends(name: str) -> None:
    """Pham et al. concatenate the states that no node uses; both inputs are used in all four cells."""
    for cell in (cells(name).normal, cells(name).reduce):
        assert {0, 1} <= {source for _, source in cell.edges}
        assert cell.concat == loose_ends(cell)


def test_base_cells_are_genotypes_of_darts_space() -> None:
    assert cells("BASE-CIFAR").in_search_space and cells("base_imagenet").in_search_space


def test_rows_of_table_8_without_published_cells() -> None:
    assert unpublished("nasnet-b") == "NASNet-B" and unpublished("NASNET_C") == "NASNet-C"
    assert unpublished("NASNet-A") is None and known("NASNet-B") is None


@pytest.mark.parametrize(
    ("edges", "concat", "message"),
    [
        ([["sep_conv_3x3", 0]], [2], "1 edges"),
        ([["sep_conv_9x9", 0], ["skip_connect", 1]], [2], "sep_conv_9x9"),
        ([["none", 0], ["skip_connect", 1]], [2], "none"),
        ([["skip_connect", 0], ["skip_connect", 2]], [2], "comes from state 2"),
        ([["skip_connect", 0], ["skip_connect", 1]], [3], "concatenates"),
        ([["skip_connect", 0], ["skip_connect", 1]], [-1, 2], "concatenates"),
        ([["skip_connect", 0], ["skip_connect", 1]], [2, 2], "concatenates"),
        ([["skip_connect", 0], ["skip_connect", 1]], [], "concatenates"),
        ([["skip_connect", 0], ["skip_connect", 1]], "2", "normal_concat is '2'"),
        ([["skip_connect", 0], "skip"], [2], "is not an edge"),
        (3, [2], "0 edges"),
    ],
)
def test_what_is_refused(edges: object, concat: object, message: str) -> None:
    value = {"normal": edges, "normal_concat": concat, "reduce": [["skip_connect", 0], ["skip_connect", 1]]}
    with pytest.raises(GenotypeError, match=message):
        Cells.from_json(value)
