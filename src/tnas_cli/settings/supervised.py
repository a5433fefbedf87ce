"""Settings of `tnas supervised` (Section 5.3); presets/supervised.toml has the values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tnas_cli.errors import SettingsError
from tnas_cli.settings import features
from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import IMAGES, NETWORK, SEARCH, TRAINING, setting
from tnas_cli.settings.preset import Kind

#: Where a task's architecture comes from. 'given': genotypes that the user names, each on all tasks.
Method = Literal["t-nas", "s1", "s2", "random", "given"]

_DARTS = features.DARTS


@dataclass(frozen=True)
class SupervisedSettings(Settings):
    """A few larger tasks, the training of each decoded network, and the search by DARTS that S1 and S2 need."""

    presets: ClassVar[Kind] = "supervised"

    dataset: str = setting(help="A prepared data set, or a .h5 file.")
    protocol: str = setting("", help="Split protocol of the data set.")
    seed: int = setting(0, help="Seed of everything random.", least=0)
    method: Method = setting("given", help="Where a task's genotypes come from (s1 is DARTS).")
    way: int = setting(10, help="Classes per task.", least=2)
    shot: int = setting(200, help="Support images per class.", least=1)
    query: int = setting(50, help="Query images per class.", least=1)
    tasks: int = setting(10, help="Test tasks.", least=1)
    channels: int = setting(16, help="Channels of the normal cell.", panel=NETWORK, least=2, even=True)
    genotypes: int = setting(
        5,
        help="random: how many for each task. s2: how many training tasks to search on.",
        panel=SEARCH,
        least=1,
        needs=features.SEVERAL_GENOTYPES,
    )
    epochs: int = setting(200, help="Epochs of each training.", least=1)
    batch: int = setting(64, help="Images per step.", panel=TRAINING, least=2)
    learning_rate: float = setting(0.05, help="Rate at the start; a cosine takes it to 0.", panel=TRAINING, above=0)
    momentum: float = setting(0.9, help="Momentum of SGD.", panel=TRAINING, least=0, most=0.99)
    weight_decay: float = setting(3e-4, help="Weight decay of w.", panel=TRAINING, least=0, most=1)
    clip: float = setting(5.0, help="Largest norm of a gradient.", panel=TRAINING, above=0)
    padding: int = setting(8, help="Pixels by which a random crop moves.", panel=IMAGES, least=0)
    flip: bool = setting(True, help="Mirror half of the images.", panel=IMAGES)
    steps: int = setting(
        0, help="Steps of Algorithm 2; 0: the checkpoint's own.", panel=SEARCH, least=0, needs=features.ADAPTATION
    )
    adapt_batch: int = setting(
        250, help="Support images in one pass of a step.", panel=SEARCH, least=2, needs=features.ADAPTATION
    )
    search_epochs: int = setting(50, help="Epochs of DARTS.", panel=SEARCH, least=1, needs=_DARTS)
    search_batch: int = setting(64, help="Images per step of DARTS.", panel=SEARCH, least=2, needs=_DARTS)
    search_rate: float = setting(0.025, help="Rate of w at the start.", panel=SEARCH, above=0, needs=_DARTS)
    search_rate_end: float = setting(0.001, help="Rate of w at the end.", panel=SEARCH, least=0, most=1, needs=_DARTS)
    search_weight_decay: float = setting(
        3e-4, help="Weight decay of w in DARTS.", panel=SEARCH, least=0, most=1, needs=_DARTS
    )
    theta_rate: float = setting(3e-4, help="Adam's rate for theta.", panel=SEARCH, above=0, needs=_DARTS)
    theta_weight_decay: float = setting(
        1e-3, help="Weight decay of theta.", panel=SEARCH, least=0, most=1, needs=_DARTS
    )
    order: Literal["first", "second"] = setting(
        "first", help="Equation 4 with xi = 0, or with the rate of w for xi.", panel=SEARCH, needs=_DARTS, switch=True
    )

    def check_together(self) -> None:
        """DARTS splits a task's support images into halves."""
        if self.method in ("s1", "s2") and self.shot < 2:
            raise SettingsError(
                f"shot is {self.shot}.", hint="DARTS needs 2 or more: half of the support images move theta"
            )
