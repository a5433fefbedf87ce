"""Presets of the transfer, and values that its settings refuse."""

from __future__ import annotations

import pytest

from tnas_cli.errors import SettingsError
from tnas_cli.settings.preset import preset
from tnas_cli.settings.transfer import TransferSettings


def test_presets_hold_the_published_values() -> None:
    cifar = TransferSettings.from_dict(preset("transfer", "paper", "cifar10") | {"dataset": "cifar10"})
    assert (cifar.layers, cifar.channels, cifar.epochs, cifar.batch) == (20, 36, 600, 96)
    assert (cifar.learning_rate, cifar.decay, cifar.momentum, cifar.weight_decay) == (0.025, "cosine", 0.9, 3e-4)
    assert (cifar.auxiliary_weight, cifar.cutout, cifar.drop_path, cifar.clip) == (0.4, 16, 0.2, 5)
    large = TransferSettings.from_dict(preset("transfer", "paper", "imagenet") | {"dataset": "imagenet"})
    assert (large.layers, large.channels, large.epochs, large.batch) == (14, 48, 250, 128)
    assert (large.learning_rate, large.decay, large.decay_rate, large.weight_decay) == (0.1, "exponential", 0.97, 3e-5)
    assert (large.label_smoothing, large.drop_path, large.stem) == (0.1, 0, "imagenet")
    TransferSettings.from_dict(preset("transfer", "quick", "anything") | {"dataset": "anything"})


@pytest.mark.parametrize(
    ("name", "dataset", "message"),
    [("papers", "cifar10", "unknown preset 'papers'"), ("paper", "birds", "no values for data set 'birds'")],
)
def test_presets_that_do_not_exist(name: str, dataset: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        preset("transfer", name, dataset)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", 0),
        ("channels", 1),
        ("epochs", 2.5),
        ("batch", True),
        ("learning_rate", 0),
        ("momentum", 1.0),
        ("drop_path", float("nan")),
        ("decay", "linear"),
        ("train_split", "test"),
        ("auxiliary", "no"),
        ("layer", 3),
    ],
)
def test_values_that_cannot_be(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        TransferSettings.from_dict({"dataset": "toy", name: value})
    with pytest.raises(SettingsError, match="dataset"):
        TransferSettings.from_dict({})
