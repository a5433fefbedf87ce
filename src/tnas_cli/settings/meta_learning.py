"""Settings for learning from many small tasks; `search.py` and `train.py` add to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tnas_cli.settings import features
from tnas_cli.settings.base import Settings
from tnas_cli.settings.fields import CHOICE, INNER, NETWORK, OUTER, PIECES, setting

#: From the smallest image on, something is left after the stem's two halvings and the reduction cell.
SMALLEST_IMAGE, LARGEST_IMAGE = 20, 224

#: The number of tasks if only time limits a training.
UNLIMITED = 10**9

_INNER, _OUTER, _PIECES = features.INNER_LOOP, features.OUTER_LOOP, features.PIECES


@dataclass(frozen=True)
class MetaLearningSettings(Settings):
    """What search and training from scratch have in common. The method's name is checked where methods are known."""

    dataset: str = setting(help="A prepared data set, or a .h5 file.")
    way: int = setting(5, help="Classes per task.", least=2)
    shot: int = setting(1, help="Support images per class.", least=1)
    query: int = setting(15, help="Query images per class.", least=1)
    protocol: str = setting("", help="Split protocol of the data set.")
    seed: int = setting(0, help="Seed of everything random.", least=0)
    channels: int = setting(
        16, help="Channels of the normal cell.", panel=NETWORK, least=2, even=True, needs=features.CELLS
    )
    alpha_inner: float = setting(0.1, help="Inner rate of w.", panel=INNER, above=0, needs=features.INNER_RATE)
    inner_steps: int = setting(5, help="Inner steps M in training.", panel=INNER, least=1, needs=_INNER)
    test_steps: int = setting(5, help="Inner steps in validation and test.", panel=INNER, least=1, needs=_INNER)
    alpha_outer: float = setting(1e-3, help="Adam's rate for w~.", panel=OUTER, above=0, needs=_OUTER)
    order: Literal["first", "second", "annealed"] = setting(
        "first",
        help="Outer gradient.",
        panel=INNER,
        needs=features.ORDER,
        value_needs={"annealed": _PIECES},
        switch=True,
    )
    statistics: Literal["query", "support", "task"] = setting(
        "query",
        help="Moments for query images.",
        panel=INNER,
        needs=_INNER,
        switch=True,
    )
    head: Literal["learned", "zero"] = setting(
        "learned",
        help="Start of the last layer.",
        panel=INNER,
        needs=features.HEAD,
    )
    learned_rates: Literal["none", "step", "weight"] = setting(
        "none",
        help="Learn inner rates per step or weight.",
        panel=PIECES,
        needs=features.LEARNED_RATES,
        switch=True,
    )
    step_norms: bool = setting(False, help="Batch norm weights per step.", panel=PIECES, needs=_PIECES, switch=True)
    multi_step: float = setting(
        0.0, help="Share with each step's loss.", panel=PIECES, least=0, most=1, needs=_PIECES,
        switch=True,
    )  # fmt: skip
    cosine_to: float = setting(
        1.0,
        help="Share of the outer rates at the end of a cosine.",
        panel=OUTER,
        least=0,
        most=1,
        needs=_OUTER,
    )
    ensemble: int = setting(
        1, help="Best checkpoints that answer together.", panel=CHOICE, least=1, needs=features.ENSEMBLE
    )
    reduction: Literal["sum", "mean"] = setting("mean", help="How gradients are combined.", panel=OUTER, needs=_OUTER)
    tasks: int = setting(2000, help="Training tasks.", least=1, needs=_OUTER)
    hours: float = setting(0.0, help="Time limit in hours, alone or beside --tasks.", least=0, needs=_OUTER)
    meta_batch: int = setting(4, help="Tasks per outer step.", panel=OUTER, least=1, needs=_OUTER)
    train_split: Literal["train", "train+val"] = setting("train", help="Training classes.", panel=CHOICE, needs=_OUTER)
    validate_every: int = setting(1000, help="Tasks between validations.", panel=CHOICE, least=1, needs=_OUTER)
    validation_tasks: int = setting(100, help="Validation tasks.", panel=CHOICE, least=1, needs=_OUTER)

    @property
    def by_support(self) -> bool:
        """Whether query images are answered by the support images' moments, in training and validation."""
        return self.statistics != "query"

    @property
    def pieces(self) -> list[str]:
        """The settings of MAML++'s inner loop that differ from plain MAML's."""
        plain = {"learned_rates": "none", "step_norms": False, "multi_step": 0.0}
        found = [name for name, value in plain.items() if getattr(self, name) != value]
        return [*found, "order"] if self.order == "annealed" else found


def for_one_training(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the user gave for a single training; if that is hours and no tasks, only time ends the training."""
    return dict(given) | ({"tasks": UNLIMITED} if given.get("hours") and "tasks" not in given else {})
