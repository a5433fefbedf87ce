"""Several checkpoints answer together (Antoniou et al., 2019: the five best by validation)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.spaces.parameters import Parameters


def together(learner: Learner, members: Sequence[Parameters], batch: TaskBatch) -> tuple[Tensor, Tensor]:
    """Transductive and inductive answers, [T, Q, way] each: the logarithm of the members' mean probabilities, or a
    single member's own logits.
    """
    transductive, inductive = zip(*(learner.both_logits(parameters, batch) for parameters in members), strict=True)
    return mean_answer(transductive), mean_answer(inductive)


def mean_answer(answers: Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean probabilities of logits [..., way], or a single one's own logits."""
    if len(answers) == 1:
        return answers[0]
    return torch.stack([logits.softmax(-1) for logits in answers]).mean(0).log()
