"""The settings that each method declares to read are exactly those that its run reads."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import NETWORKS
from tests.methods import class_pictures as pictures
from tests.recipes.calls import grow, search, supervised, train_eval, transfer
from tests.recipes.test_recipes_supervised import best
from tnas_cli import settings as room
from tnas_cli.methods.registry import about, readers
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.trainable import TrainableRecord
from tnas_cli.records.kinds import FixedNetwork
from tnas_cli.runs.device import Machine
from tnas_cli.settings.base import Settings
from tnas_cli.settings.features import SCRATCH, SCRATCH_READS, SUPERVISED_READS
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

HERE = Machine("cpu", 1, engine="torch")
SETTINGS = (str(Path(str(room.__file__)).parent), str(dataclasses.__file__))
FEW: dict[str, Any] = {"way": 2, "query": 2, "channels": 4, "tasks": 2, "meta_batch": 2}
FEW |= {"validate_every": 2, "validation_tasks": 2}
#: Of the settings of train-eval alone.
TRAINED_FEW: dict[str, Any] = FEW | {"test_tasks": 2, "pretrain": 2}
LARGER: dict[str, Any] = {"way": 2, "shot": 6, "query": 4, "tasks": 1, "channels": 4, "batch": 12, "padding": 1}
LARGER |= {"epochs": 1, "search_epochs": 1, "search_batch": 6, "genotypes": 1}
TRANSFER: dict[str, Any] = {"layers": 3, "channels": 4, "epochs": 1, "batch": 24, "cutout": 4, "padding": 1}

SEARCHING, TRAINING = readers(searches=True), readers(searches=False)
#: Read without an effect: rates that Meta-SGD sets itself, an order that would need another engine, and channels that
#: a genotype would have.
HARMLESS = {
    "base-softmax": {"order"},
    "base-gumbel-softmax": {"order"},
    "meta-sgd": {"learned_rates"},
    "protonets": {"order"},
    "matching-nets": {"order"},
    "matching-nets-fce": {"order"},
    "siamese": {"order"},
    "r2d2": {"order"},
    "reptile": {"order"},
    "meta-lstm": {"order"},
    "frozen": {"order"},
    "llama": {"order", "channels"},
    "compare-nets": {"order", "channels"},
    "tadam": {"order", "channels"},
    "memory-module": {"order", "channels"},
    "neural-statistician": {"order", "channels"},
    "mtl": {"channels"},
    "cavia": {"channels"},
}
#: Read only where a task diverges (test_halving.py).
IN_NEED = {"on_divergence"}


@pytest.fixture(scope="module")
def signs(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("signs") / "signs-drawn-20.h5"
    pictures.characters(path)
    return str(path)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The settings that any code except the settings themselves reads, from now on."""
    found: set[str] = set()

    def get(self: Settings, name: str) -> Any:
        if not name.startswith("_") and not sys._getframe(1).f_code.co_filename.startswith(SETTINGS):
            found.add(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(Settings, "__getattribute__", get)
    return found


def declared(cls: type[Settings], reads: frozenset[str]) -> set[str]:
    return {name for name, one in settings_of(cls).items() if one.needs is None or one.needs in reads}


def of(cls: type[Settings], looked_at: set[str]) -> set[str]:
    return looked_at & settings_of(cls).keys()


@pytest.mark.parametrize("name", SEARCHING)
def test_methods_that_search(name: str, signs: str, tmp_path: Path, looked_at: set[str]) -> None:
    settings = SearchSettings.from_dict({"dataset": signs, "method": name, **about(name).differs, **FEW})
    search(settings, runs=tmp_path, machine=HERE)
    expected = declared(SearchSettings, SEARCHING[name]) - IN_NEED
    assert of(SearchSettings, looked_at) - HARMLESS.get(name, set()) == expected


@pytest.mark.parametrize("name", TRAINING)
def test_methods_that_train(name: str, signs: str, tmp_path: Path, looked_at: set[str]) -> None:
    records: list[TrainableRecord] = [*read_genotypes("DARTS_V2")]
    if name in NETWORKS:
        records = [FixedNetwork(network=NETWORKS[name])]
    own_values = {"dataset": signs, "method": name, **about(name).differs, **TRAINED_FEW}
    train_eval(records, TrainSettings.from_dict(own_values), runs=tmp_path, machine=HERE)
    expected = declared(TrainSettings, TRAINING[name] | SCRATCH_READS)
    assert of(TrainSettings, looked_at) - HARMLESS.get(name, set()) == expected


@pytest.mark.parametrize("name", SUPERVISED_READS)
def test_ways_to_an_architecture(name: str, signs: str, tmp_path: Path, looked_at: set[str]) -> None:
    records = [*read_genotypes("DARTS_V2")] if name == "given" else []
    checkpoint = best(tmp_path / "best.pt") if name == "t-nas" else None
    looked_at.clear()
    settings = SupervisedSettings(signs, method=name, **LARGER)  # type: ignore[arg-type]  # the test names them all
    supervised(records, settings, checkpoint=checkpoint, runs=tmp_path, machine=HERE)
    # The order in the search's settings is read when its checkpoint is adapted.
    known = of(SupervisedSettings, looked_at) - ({"order"} if name == "t-nas" else set())
    assert known == declared(SupervisedSettings, SUPERVISED_READS[name])


def test_cells_that_grow(signs: str, tmp_path: Path, looked_at: set[str]) -> None:
    few = {**TRAINED_FEW, "first": 2, "beam": 1, "nodes": 2}
    values = {"dataset": signs, "method": "maml", **about("maml").differs, **few}
    grow(GrowSettings.from_dict(values), runs=tmp_path, machine=HERE)
    assert of(GrowSettings, looked_at) == declared(GrowSettings, TRAINING["maml"] | {SCRATCH})


_DRAWING = {"method": "random", "genotypes": 2, "choice_epochs": 1}


@pytest.mark.parametrize("other", [{}, {"auxiliary": False}, {"decay": "exponential"}, {"crop": "resize"}, _DRAWING])
def test_the_transfer(other: dict[str, Any], tmp_path: Path, looked_at: set[str]) -> None:
    images = tmp_path / "toy-images-20.h5"
    pictures.cache(images)
    settings = TransferSettings(str(images), **TRANSFER | other)
    given = [] if settings.method == "random" else read_genotypes("DARTS_V2")
    transfer(given, settings, runs=tmp_path, machine=HERE)
    switched_off = {
        name
        for name, one in settings_of(TransferSettings).items()
        if one.only_with is not None and getattr(settings, one.only_with[0]) != one.only_with[1]
    }
    assert of(TransferSettings, looked_at) == settings_of(TransferSettings).keys() - switched_off
