"""Settings of `tnas transfer` (Appendix D); presets/transfer.toml has the published values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import CHOICE, IMAGES, NETWORK, SEARCH, TRAINING, setting
from tnas_cli.settings.preset import Kind


@dataclass(frozen=True)
class TransferSettings(Settings):
    """One network on one data set with labels."""

    presets: ClassVar[Kind] = "transfer"

    dataset: str = setting(help="cifar10, imagenet, or a .h5 file.")
    protocol: str = setting("", help="Split protocol of the data set.")
    seed: int = setting(0, help="Seed of everything random.", least=0)
    method: Literal["given", "random"] = setting("given", help="Whose cells: named ones, or the best of random ones.")
    genotypes: int = setting(
        24,
        help="How many are drawn; the best by validation is trained.",
        panel=SEARCH,
        least=2,
        only_with=("method", "random"),
    )
    choice_epochs: int = setting(
        100, help="Epochs of each training to choose by.", panel=SEARCH, least=1, only_with=("method", "random")
    )
    layers: int = setting(20, help="Cells of the network.", least=1)
    channels: int = setting(36, help="Channels of the first cells.", least=2)
    stem: Literal["auto", "cifar", "imagenet"] = setting(
        "auto", help="First layers; auto is imagenet from 128 pixels on.", panel=NETWORK
    )
    auxiliary: bool = setting(True, help="A second classifier while training.", panel=NETWORK)
    auxiliary_weight: float = setting(
        0.4,
        help="Weight of the second classifier's loss.",
        panel=NETWORK,
        least=0,
        most=1,
        only_with=("auxiliary", True),
    )
    epochs: int = setting(600, help="Epochs of training.", least=1)
    batch: int = setting(96, help="Images per step.", panel=TRAINING, least=2)
    shards: int = setting(
        1, help="Parts of a step's images that are normalised apart, for torchrun to share.", panel=TRAINING, least=1
    )
    learning_rate: float = setting(0.025, help="Rate at the start.", panel=TRAINING, above=0)
    decay: Literal["cosine", "exponential"] = setting("cosine", help="How the rate falls.", panel=TRAINING)
    decay_rate: float = setting(
        0.97, help="Factor of the rate per epoch.", panel=TRAINING, least=0, most=1, only_with=("decay", "exponential")
    )
    momentum: float = setting(0.9, help="Momentum of SGD.", panel=TRAINING, least=0, most=0.99)
    weight_decay: float = setting(3e-4, help="Weight decay of all weights.", panel=TRAINING, least=0, most=1)
    clip: float = setting(5.0, help="Largest norm of a gradient.", panel=TRAINING, above=0)
    drop_path: float = setting(
        0.2, help="Share of paths dropped at the end, from 0 at the start.", panel=TRAINING, least=0, most=0.99
    )
    label_smoothing: float = setting(
        0.0, help="Share of a label that goes to all classes.", panel=TRAINING, least=0, most=0.99
    )
    crop: Literal["shift", "resize"] = setting("shift", help="Move an image, or enlarge a part of it.", panel=IMAGES)
    padding: int = setting(
        4, help="Pixels by which an image moves.", panel=IMAGES, least=0, only_with=("crop", "shift")
    )
    cutout: int = setting(16, help="Side of the square that is cut out; 0: none.", panel=IMAGES, least=0)
    jitter: float = setting(0.0, help="Change of brightness, contrast and saturation.", panel=IMAGES, least=0, most=1)
    train_split: Literal["train", "train+val"] = setting(
        "train", help="Choose by validation images, or train on them too.", panel=CHOICE
    )
