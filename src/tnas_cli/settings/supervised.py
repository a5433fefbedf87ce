"""Settings of supervised learning on a few larger tasks (Section 5.3); presets/supervised.toml has the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tnas_cli.errors import SettingsError
from tnas_cli.settings.checked import CheckedSettings

#: Where a task's architecture comes from. 'given': genotypes that the user names, each on all tasks.
Method = Literal["t-nas", "s1", "s2", "random", "given"]

METHODS: tuple[Method, ...] = ("t-nas", "s1", "s2", "random", "given")


@dataclass(frozen=True)
class SupervisedSettings(CheckedSettings):
    """Tasks, the training of each decoded network, and the search by DARTS that S1 and S2 need.

    genotypes: random ones per task, or training tasks that S2 searches on. padding: pixels of a random crop; flip:
    whether half of the images are mirrored. steps: of the adaptation, 0 for the checkpoint's own; adapt_batch: support
    images in one pass of it. search_*: of w in DARTS; theta_*: of theta; order 'second' takes the exact Equation 4 with
    xi the rate of w.
    """

    method: Method = "given"
    way: int = 10
    shot: int = 200
    query: int = 50
    tasks: int = 10
    channels: int = 16
    genotypes: int = 5
    epochs: int = 200
    batch: int = 64
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    padding: int = 8
    flip: bool = True
    steps: int = 0
    adapt_batch: int = 250
    search_epochs: int = 50
    search_batch: int = 64
    search_rate: float = 0.025
    search_rate_end: float = 0.001
    search_weight_decay: float = 3e-4
    theta_rate: float = 3e-4
    theta_weight_decay: float = 1e-3
    order: Literal["first", "second"] = "first"

    def __post_init__(self) -> None:
        self.one_of("method", METHODS)
        self.at_least(0, "seed", "padding", "steps")
        self.at_least(1, "shot", "query", "tasks", "genotypes", "epochs", "search_epochs")
        self.at_least(2, "way", "channels", "batch", "adapt_batch", "search_batch")
        if self.channels % 2:
            raise SettingsError(f"channels is {self.channels}.", hint="choose an even number, at least 2")
        if self.method in ("s1", "s2") and self.shot < 2:
            raise SettingsError(
                f"shot is {self.shot}.", hint="DARTS needs 2 or more: half of the support images move theta"
            )
        self.positive("learning_rate", "clip", "search_rate", "theta_rate")
        self.within(0, 1, "weight_decay", "search_rate_end", "search_weight_decay", "theta_weight_decay")
        self.within(0, 0.99, "momentum")
        self.yes_or_no("flip")
        self.one_of("order", ("first", "second"))
