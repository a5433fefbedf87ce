"""Genotypes: both text forms, round trips, and the errors of broken ones."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, OPERATIONS, random_genotype
from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.genotype import Edge, Genotype

#: As Auto-MAML's authors print it, with DARTS's range.
PUBLISHED = (
    "Genotype(normal=[('dil_conv_5x5', 1), ('dil_conv_5x5', 0), ('dil_conv_5x5', 2), ('dil_conv_3x3', 1), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 3), ('skip_connect', 4), ('dil_conv_3x3', 3)], "
    "normal_concat=range(2, 6), reduce=[('sep_conv_5x5', 0), ('avg_pool_3x3', 1), ('avg_pool_3x3', 1), "
    "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=range(2, 6))"
)


@st.composite
def genotypes(draw: st.DrawFn) -> Genotype:
    nodes = draw(st.integers(1, 6))

    def edge(node: int) -> st.SearchStrategy[Edge]:
        return st.tuples(st.sampled_from(OPERATIONS[1:]), st.integers(0, node + 1))

    def cell() -> tuple[Edge, ...]:
        return tuple(draw(edge(index // 2)) for index in range(2 * nodes))

    return Genotype(normal=cell(), reduce=cell())


@given(genotypes())
def test_both_text_forms_come_back(genotype: Genotype) -> None:
    assert Genotype.parse(json.dumps(genotype.to_json())) == genotype
    assert Genotype.parse(json.dumps({"event": "genotype", "genotype": genotype.to_json()})) == genotype
    assert Genotype.parse(genotype.to_darts()) == genotype
    assert Genotype.parse(f"  best = {genotype.to_darts()}\n") == genotype


@given(st.text(max_size=200))
def test_any_text_is_a_genotype_or_a_genotype_error(text: str) -> None:
    with pytest.raises(GenotypeError):
        Genotype.parse(text)


@given(st.text(alphabet="Genotype(normal=[()],'range1234_concatreduce{}:\" ", max_size=80))
def test_text_that_looks_like_one_is_refused_too(text: str) -> None:
    with pytest.raises(GenotypeError):
        Genotype.parse(text)


def test_the_published_text_is_read() -> None:
    assert Genotype.parse(PUBLISHED) == AUTO_MAML_5SHOT
    assert Genotype.parse(f"AutoMAML = {PUBLISHED}") == AUTO_MAML_5SHOT


def test_digests_name_architectures() -> None:
    assert AUTO_MAML_5SHOT.digest == Genotype.parse(PUBLISHED).digest
    assert len({random_genotype(seed).digest for seed in range(50)}) == 50
    swapped = Genotype(normal=AUTO_MAML_1SHOT.reduce, reduce=AUTO_MAML_1SHOT.normal)
    assert swapped.digest != AUTO_MAML_1SHOT.digest


def test_counting_operations() -> None:
    assert AUTO_MAML_1SHOT.without_weights == {"skip_connections": 3, "pools": 9}
    assert AUTO_MAML_5SHOT.nodes == 4


GOOD = [["skip_connect", 0], ["skip_connect", 1]]

BROKEN_JSON: list[tuple[object, str]] = [
    ([], "keys"),
    ({"normal": GOOD}, "keys"),
    ({"normal": GOOD, "reduce": "text"}, "'text'"),
    ({"normal": GOOD, "reduce": []}, "reduction cell 0"),
    ({"normal": GOOD, "reduce": GOOD[:1]}, "1"),
    ({"normal": GOOD, "reduce": GOOD * 2}, "4"),
    ({"normal": GOOD, "reduce": [["sep_conv_7x7", 0], ["skip_connect", 1]]}, "'sep_conv_7x7'"),
    ({"normal": GOOD, "reduce": [["none", 0], ["skip_connect", 1]]}, "'none'"),
    ({"normal": GOOD, "reduce": [["skip_connect", 2], ["skip_connect", 1]]}, "state 2"),
    ({"normal": GOOD, "reduce": [["skip_connect", -1], ["skip_connect", 1]]}, "state -1"),
    ({"normal": GOOD, "reduce": [["skip_connect", True], ["skip_connect", 1]]}, "True"),
    ({"normal": GOOD, "reduce": [["skip_connect", 0.0], ["skip_connect", 1]]}, "0.0"),
    ({"normal": GOOD, "reduce": [["skip_connect"], ["skip_connect", 1]]}, "edge 0"),
    ({"normal": GOOD, "reduce": [[None, 0], ["skip_connect", 1]]}, "edge 0"),
]


@pytest.mark.parametrize(("value", "message"), BROKEN_JSON, ids=[f"{i}: {m}" for i, (_, m) in enumerate(BROKEN_JSON)])
def test_a_broken_value_is_told_what_is_wrong(value: object, message: str) -> None:
    with pytest.raises(GenotypeError) as caught:
        Genotype.from_json(value)
    assert message in caught.value.message and caught.value.hint and caught.value.exit_code == 4


def test_a_misspelt_operation_gets_a_suggestion() -> None:
    with pytest.raises(GenotypeError) as caught:
        Genotype.from_json({"normal": GOOD, "reduce": [["sep_conv3x3", 0], ["skip_connect", 1]]})
    assert "'sep_conv_3x3'" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"normal": 1',
        '{"genotype": 5}',
        "Genotype",
        "Genotype(",
        "Genotype()",
        "Other(normal=[], reduce=[])",
        "Genotype(normal=__import__('os').getcwd(), reduce=[])",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=range(2, 4), "
        "reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])",
        "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=range(10**9), "
        "reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])",
        "(" * 5000,
        "\0",
        pickle.dumps(GOOD).decode("latin-1"),
    ],
)
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(GenotypeError):
        Genotype.parse(text)


def test_text_is_never_executed(tmp_path: object) -> None:
    marker = f"{tmp_path}/executed"
    with pytest.raises(GenotypeError):
        Genotype.parse(f"Genotype(normal=open({marker!r}, 'w'), reduce=[])")
    with pytest.raises(FileNotFoundError), open(marker):  # noqa: PTH123
        pass


def test_edges_without_weights_by_hand() -> None:
    assert AUTO_MAML_1SHOT.without_weights == {"skip_connections": 3, "pools": 9}
    assert AUTO_MAML_5SHOT.without_weights == {"skip_connections": 4, "pools": 4}
