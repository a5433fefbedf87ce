"""Settings of `tnas train-eval`; presets/train_eval.toml has the published values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tnas_cli.settings import features
from tnas_cli.settings.fields import CHOICE, OUTER, setting
from tnas_cli.settings.meta_learning import MetaLearningSettings
from tnas_cli.settings.preset import Kind


@dataclass(frozen=True)
class TrainSettings(MetaLearningSettings):
    """Training of a fixed network from scratch, and its test (Section 5.2.2)."""

    presets: ClassVar[Kind] = "train_eval"

    method: str = setting(
        "maml",
        help="maml, meta-sgd, anil, boil, r2d2, protonets, siamese, ...: docs/methods.md.",
        needs=features.SCRATCH,
    )
    pretrain: int = setting(
        10_000, help="Batches of 64 images before the tasks.", panel=OUTER, least=1, needs=features.PRETRAINING
    )
    hard_tasks: int = setting(
        0, help="Hard tasks after every 10 meta-batches.", panel=OUTER, least=0, needs=features.HARD_TASKS
    )
    test_tasks: int = setting(600, help="Test tasks.", panel=CHOICE, least=2, needs=features.TEST_TASKS)
