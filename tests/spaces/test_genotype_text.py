"""Genotypes among other words: whole modules, logs, comments, nested edges, and what is wrong with the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tnas_cli.errors import GenotypeError
from tnas_cli.spaces.cells import Cells
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.genotype_text import find, is_log

ONE, FIVE = AUTO_MAML_1SHOT.to_darts(), AUTO_MAML_5SHOT.to_darts()


def read(text: str) -> list[Genotype]:
    return [Genotype.from_json(one.arguments) for one in find(text)]


def test_a_whole_module() -> None:
    commented = FIVE.replace("reduce=", "  # (the second cell, not closed: [\n  reduce=")
    text = f"""from collections import namedtuple

Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')
PRIMITIVES = ['none', 'max_pool_3x3']
ONE = {ONE}
# OLD = {FIVE}
FIVE: Genotype = {commented}
BEST = FIVE
"""
    found = find(text)
    assert [one.name for one in found] == ["ONE", "FIVE"]
    assert [one.line for one in found] == [5, 7]
    assert read(text) == [AUTO_MAML_1SHOT, AUTO_MAML_5SHOT]
    assert not is_log(found)


def test_a_log_with_a_genotype_per_epoch() -> None:
    lines = [f"03/05 12:{minute:02d}:00 PM genotype = {text}" for minute, text in enumerate((FIVE, ONE, FIVE))]
    found = find("\n".join(["03/05 gpu device = 0", *lines, "03/05 train_acc 93.1"]))
    assert is_log(found)
    assert [one.line for one in found] == [2, 3, 4]
    assert is_log(find(f"genotype = {ONE}\ngenotype = {FIVE}\n"))
    assert not is_log(find(f"{ONE}\n{FIVE}\n"))


def test_edges_by_node_and_without_names() -> None:
    def nested(genotype: Genotype) -> str:
        cells = [list(zip(*[iter(genotype.cell(name))] * 2, strict=True)) for name in ("normal", "reduce")]
        by_node = [[[*pair] for pair in cell] for cell in cells]
        return (
            f"Genotype(normal={by_node[0]}, normal_concat=range(2, 6), reduce={by_node[1]}, reduce_concat=range(2, 6))"
        )

    assert read(nested(AUTO_MAML_5SHOT)) == [AUTO_MAML_5SHOT]
    plain = [list(AUTO_MAML_1SHOT.normal), [2, 3, 4, 5], list(AUTO_MAML_1SHOT.reduce), "list(range(2, 6))"]
    assert read(f"gt.Genotype({', '.join(map(str, plain))})") == [AUTO_MAML_1SHOT]


def test_a_concatenation_that_leaves_a_node_out() -> None:
    (one,) = find(ONE.replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[3, 4, 5]"))
    cells = Cells.from_json(one.arguments)
    assert (cells.normal.concat, cells.reduce.concat) == ((2, 3, 4, 5), (3, 4, 5))
    with pytest.raises(GenotypeError, match=r"does not list every node \[2, 3, 4, 5\]"):
        Genotype.from_json(one.arguments)


@given(seeds=st.lists(st.integers(0, 50), min_size=1, max_size=4), words=st.sampled_from(["\n", "\n\n# none\n", ";\n"]))
def test_as_many_as_there_are(seeds: list[int], words: str) -> None:
    genotypes = [random_genotype(seed, 4) for seed in seeds]
    assert read(words.join(genotype.to_darts() for genotype in genotypes)) == genotypes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"\n\n{ONE[:-1]}", "line 3 does not end"),
        ("Genotype(normal=[(')', 0)]", "line 1 does not end"),
        ("Genotype(normal=['a)", "line 1 does not end"),
        ("Genotype(normal=[(1, 2])", "do not match"),
        ("Genotype(normal=open('x'), reduce=[])", "is not a list of edges"),
        ("Genotype(normal=[x for x in y])", "is not a list of edges"),
        ("Genotype(1, 2, 3, 4, 5)", "is not a list of edges"),
        ("Genotype(" + "(" * 5000, "does not end"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(GenotypeError, match=said):
        find(text)


@pytest.mark.parametrize("text", ["", "no genotype", "MyGenotype(", "'Genotype('", "namedtuple('Genotype', 'a')"])
def test_texts_without_one(text: str) -> None:
    assert find(text) == []


@given(st.text(alphabet="Genotype(normal=[]),'\"#\n01 sep", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"Genotype({text}"):
        try:
            find(candidate)
        except GenotypeError as error:
            assert "line" in error.message
