"""Settings of the transfer to CIFAR-10 and ImageNet (Appendix D); presets/transfer.toml has the published values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tnas_cli.settings.checked import CheckedSettings


@dataclass(frozen=True)
class TransferSettings(CheckedSettings):
    """One network on one data set.

    layers: cells; channels: of the first ones; stem: 'auto' is 'imagenet' from 128 pixels on. decay: of the learning
    rate, along a cosine to 0 or by `decay_rate` per epoch. clip: of the gradient's norm. drop_path: its probability at
    the end, from 0 at the start. crop: 'shift' pads by `padding` pixels and cuts the images' size out, 'resize' takes a
    random part and enlarges it. jitter: of brightness, contrast and saturation. train_split: 'train' chooses the best
    epoch by the validation images; 'train+val' trains on them too and tests the last epoch.
    """

    layers: int = 20
    channels: int = 36
    stem: Literal["auto", "cifar", "imagenet"] = "auto"
    auxiliary: bool = True
    auxiliary_weight: float = 0.4
    epochs: int = 600
    batch: int = 96
    learning_rate: float = 0.025
    decay: Literal["cosine", "exponential"] = "cosine"
    decay_rate: float = 0.97
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    drop_path: float = 0.2
    label_smoothing: float = 0.0
    crop: Literal["shift", "resize"] = "shift"
    padding: int = 4
    cutout: int = 16
    jitter: float = 0.0
    train_split: Literal["train", "train+val"] = "train"

    def __post_init__(self) -> None:
        self.at_least(0, "seed", "padding", "cutout")
        self.at_least(1, "layers", "epochs")
        self.at_least(2, "channels", "batch")
        self.positive("learning_rate", "clip")
        self.within(0, 1, "auxiliary_weight", "decay_rate", "weight_decay", "jitter")
        self.within(0, 0.99, "momentum", "drop_path", "label_smoothing")
        self.one_of("stem", ("auto", "cifar", "imagenet"))
        self.one_of("decay", ("cosine", "exponential"))
        self.one_of("crop", ("shift", "resize"))
        self.one_of("train_split", ("train", "train+val"))
        self.yes_or_no("auxiliary")
