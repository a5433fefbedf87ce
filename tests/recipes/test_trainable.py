"""What train-eval trains by name: 4CONV beside genotypes, with which settings, and resuming after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.helpers import AUTO_MAML_1SHOT
from tests.recipes.calls import resume, train_eval
from tnas_cli.errors import GenotypeError, Interrupted, SettingsError
from tnas_cli.recipes.decoded import decoded
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.recipes.trainable import Trainable, TrainableRecord, read_trainables
from tnas_cli.records.kinds import FixedNetwork
from tnas_cli.records.writing import line
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine
from tnas_cli.settings.train import TrainSettings

GIVEN = {"dataset": "shapes", "way": 3, "shot": 1, "query": 2, "tasks": 4, "meta_batch": 2, "validate_every": 2}
GIVEN |= {"validation_tasks": 2, "test_tasks": 3, "inner_steps": 1, "test_steps": 1}


def settings(records: list[TrainableRecord]) -> TrainSettings:
    """Tiny settings on the pipeline's data set."""
    return settings_for(records, "quick", GIVEN)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("4conv", "4conv-32"),
        ("4conv-32", "4conv-32"),
        ("4conv-64", "4conv-64"),
        ("resnet12", "resnet12-64"),
        ("resnet12-8", "resnet12-8"),
        ("resnet12-mtl", "resnet12-mtl-64"),
    ],
)
def test_a_network_is_named_and_records_its_filters(text: str, name: str) -> None:
    (record,) = read_trainables(text)
    assert isinstance(record, FixedNetwork) and record.network == name
    assert Trainable.of(record).to_json() == {"network": name}
    assert settings([record]).channels == int(name.rpartition("-")[2])


def test_everything_else_is_a_genotype() -> None:
    text = AUTO_MAML_1SHOT.to_darts()
    assert read_trainables(text) == read_genotypes(text)
    trainable = Trainable.of(read_trainables(text)[0])
    assert trainable == Trainable(AUTO_MAML_1SHOT.digest, AUTO_MAML_1SHOT)
    assert trainable.to_json() == {"genotype": AUTO_MAML_1SHOT.to_json()}


def test_networks_and_genotypes_are_not_trained_in_one_call() -> None:
    genotypes = [decoded(AUTO_MAML_1SHOT)]
    for other in (genotypes, read_trainables("4conv-64")):
        mixed = read_trainables("4conv") + other
        with pytest.raises(SettingsError, match=r"4conv-32 and .* cannot be trained in one call"):
            settings(mixed)
        with pytest.raises(SettingsError, match="in one call"):
            train_eval(mixed, settings(read_trainables("4conv")))


def test_a_networks_record_among_genotypes_is_named() -> None:
    with pytest.raises(GenotypeError, match="names the network '4conv-32', not a genotype"):
        read_genotypes(line(read_trainables("4conv")[0]))


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(GenotypeError, match="no network '5conv-32'") as refused:
        Trainable.of(FixedNetwork(network="5conv-32"))
    assert refused.value.hint == "did you mean '4conv-32'?"


def test_a_stopped_training_goes_on_to_the_same_numbers(pipeline: Pipeline, tmp_path: Path) -> None:
    records, machine = read_trainables("4conv"), Machine("cpu", 1, pipeline.cache)
    whole = train_eval(records, settings(records), runs=tmp_path / "whole", machine=machine)

    def stop_in_training(event: events.Event) -> None:
        if isinstance(event, events.Progress) and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="saved in"):
        train_eval(records, settings(records), runs=tmp_path / "cut", machine=machine, listener=stop_in_training)
    (run,) = (tmp_path / "cut").iterdir()
    resumed = resume(run, machine=machine)
    for key in ("mean", "interval", "per_genotype", "network", "method"):
        assert resumed[key] == whole[key]
    saved = checkpoint.load(run / "4conv-32" / "best.pt", "tnas/decoded-weights").about
    assert saved["network"] == "4conv-32"
    assert "genotype" not in saved


def test_more_filters_are_another_network(pipeline: Pipeline, tmp_path: Path) -> None:
    records = read_trainables("4conv-64")
    result = train_eval(records, settings(records), runs=tmp_path, machine=Machine("cpu", 1, pipeline.cache))
    (row,) = result["per_genotype"]
    features = 64 * 1 * 1  # of 20 pixels one is left
    assert row["parameters"] == 10 * 64 + 3 * (9 * 64 + 1) * 64 + 8 * 64 + 3 * features + 3
