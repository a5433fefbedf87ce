"""Spaces by name, of tnas and of other packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.plug_in import install
from tnas_cli.errors import GenotypeError, SettingsError
from tnas_cli.spaces import registry
from tnas_cli.spaces.cell_space import CellSpace
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.space import Space

MODULE = """
from tnas_cli.spaces import operations_table as table
from tnas_cli.spaces.cell_space import CellSpace

SPACE = CellSpace("crossed", "crossed convolutions", (table.NONE, table.CONV_7X1_1X7, table.CONV_1X1), nodes=2)
"""


@pytest.fixture
def crossed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "space_of_mine", MODULE, registry, crossed="SPACE", broken="NOTHING")


@pytest.mark.parametrize("name", registry.OWN)
def test_a_space_is_what_its_name_says_and_does_what_the_protocol_asks(name: str) -> None:
    space = registry.space(name)
    assert isinstance(space, Space)
    assert space.name == name
    assert space.title and "_" not in space.title
    assert sum(row.is_none for row in space.operations) == 1
    for row in space.operations:
        assert space.operation(row.name) is row
    genotype = space.random(np.random.default_rng(0), space.nodes)
    assert (genotype.space, genotype.nodes) == (name, space.nodes)
    for network in (space.search_network(3, 1, 8, space.nodes), space.decoded_network(genotype, 3, 1, 8)):
        assert (network.description() is None) == (name == "enas" and hasattr(network, "shares"))
        assert (network.way, network.in_channels, network.channels) == (3, 1, 8)


@pytest.mark.parametrize("name", registry.OWN)
def test_a_genotype_of_each_space_is_read_as_it_was_written(name: str) -> None:
    space = registry.space(name)
    genotype = space.random(np.random.default_rng(1), space.nodes)
    assert Genotype.from_json(genotype.to_json()) == genotype
    assert Genotype.parse(genotype.to_darts()) == genotype
    assert ("space" in genotype.to_json()) == (name != registry.USUAL)


def test_an_unknown_space_is_refused_with_a_suggestion() -> None:
    with pytest.raises(SettingsError, match="unknown space 'tinny'") as refused:
        registry.space("tinny")
    assert refused.value.hint == "did you mean 'tiny'?"
    with pytest.raises(GenotypeError, match="unknown space 'tinny'"):
        Genotype.from_json({"normal": [], "reduce": [], "space": "tinny"})


@pytest.mark.usefixtures("crossed")
def test_one_of_another_package_is_found_and_a_broken_one_is_left_out() -> None:
    assert registry.spaces() == (*registry.OWN, "broken", "crossed")
    found = registry.space("crossed")
    assert isinstance(found, CellSpace)
    assert (found.title, found.nodes) == ("crossed convolutions", 2)
    with pytest.raises(SettingsError, match=r"'broken' \(tnas.spaces\) of the package space-of-mine is left out"):
        registry.space("broken")
    assert list(registry.added()) == ["crossed"]
