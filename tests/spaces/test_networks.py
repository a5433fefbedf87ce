"""Fixed networks by name, of tnas and of other packages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.plug_in import install
from tnas_cli.engines.choose import choose_engine, why_not_fused
from tnas_cli.errors import GenotypeError, SettingsError
from tnas_cli.recipes.trainable import Trainable, read_trainables
from tnas_cli.records.kinds import FixedNetwork as NetworkRecord
from tnas_cli.spaces import networks
from tnas_cli.spaces.cell_row import CellRow
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.resnet12 import MTL, TADAM, ResNet12

CPU = torch.device("cpu")

MODULE = '''
from dataclasses import dataclass

from tnas_cli.spaces.networks import FixedNetwork
from tnas_cli.spaces.shapes import classifier_specs


@dataclass(frozen=True)
class Linear:
    """One linear layer on pixels."""

    way: int
    in_channels: int
    size: int

    def specs(self):
        return classifier_specs(self.in_channels * self.size**2, self.way)

    def logits(self, parameters, x):
        pixels = x.flatten(2)  # [T, N, F]
        return pixels @ parameters["classifier.weight"].mT + parameters["classifier.bias"].unsqueeze(1)


NETWORK = FixedNetwork("linear", "linear layer", 1, Linear, ("liu2019darts",))
'''


@pytest.fixture
def linear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "network_of_mine", MODULE, networks, linear="NETWORK", broken="NOTHING")


def test_tnass_own() -> None:
    assert networks.names()[:2] == ("4conv-32", "4conv-64")
    for name, network in networks.OWN.items():
        assert networks.fixed_network(name) is network
        built = network.build(5, 3, 84)
        if name.startswith("auto-meta-"):
            assert isinstance(built, CellRow) and built.channels == network.channels
            continue
        assert isinstance(built, FourConv if name.startswith("4conv-") else ResNet12)
        assert (built.filters, str(network.channels)) == (network.channels, name.rpartition("-")[2])
        if isinstance(built, ResNet12):
            assert built.form == (MTL if "mtl" in name else TADAM)
    assert set(networks.SHORT.values()) <= set(networks.OWN)


def test_an_unknown_one_is_refused_with_a_suggestion() -> None:
    with pytest.raises(GenotypeError, match="no network '4conv-23'") as refused:
        networks.fixed_network("4conv-23")
    assert refused.value.hint == "did you mean '4conv-32'?"


@pytest.mark.usefixtures("linear")
def test_one_of_another_package_is_trained_by_its_name() -> None:
    assert "linear" in networks.names()
    (record,) = read_trainables("linear")
    assert record == NetworkRecord(network="linear", channels=1)
    assert Trainable.of(record).to_json() == {"network": "linear"}
    network = networks.fixed_network("linear").build(3, 1, 20)
    assert network.specs()["classifier.weight"].shape == (3, 400)
    # It has no description from which kernels could be chosen, so PyTorch computes it.
    assert why_not_fused(network, CPU) == "it does not know networks of type Linear."
    assert choose_engine("auto", network, CPU).name == "torch"
    with pytest.raises(SettingsError, match="fused cannot be used: it does not know networks of type Linear"):
        choose_engine("fused", network, CPU)


@pytest.mark.usefixtures("linear")
def test_a_broken_one_is_named_where_it_is_asked_for() -> None:
    with pytest.raises(GenotypeError, match=r"'broken' \(tnas.networks\) of the package network-of-mine is left out"):
        read_trainables("broken")
    assert "broken" not in networks.names()
    assert "linear" in networks.names()
