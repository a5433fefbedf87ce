"""Settings of `tnas train-eval`; presets/train_eval.toml has the published values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tnas_cli.settings import features
from tnas_cli.settings.fields import CHOICE, INHERITED, OUTER, setting
from tnas_cli.settings.meta_learning import MetaLearningSettings
from tnas_cli.settings.preset import Kind


@dataclass(frozen=True)
class TrainSettings(MetaLearningSettings):
    """Training of a fixed network from scratch, and its test (Section 5.2.2)."""

    presets: ClassVar[Kind] = "train_eval"

    method: str = setting(
        "maml",
        help="maml, anil, protonets, ...: docs/methods.md.",
        needs=features.SCRATCH,
    )
    pretrain: int = setting(
        10_000, help="Batches of 64 images before the tasks.", panel=OUTER, least=1, needs=features.PRETRAINING
    )
    hard_tasks: int = setting(
        0, help="Hard tasks after every 10 meta-batches.", panel=OUTER, least=0, needs=features.HARD_TASKS
    )
    paths: Literal["own", "given", "random"] = setting(
        "own",
        help="Meta-trained genotypes.",
        panel=INHERITED,
        needs=features.INHERITANCE,
        switch=True,
    )
    test_tasks: int = setting(600, help="Test tasks.", panel=CHOICE, least=2, needs=features.TEST_TASKS)
