"""Several checkpoints answer together (Antoniou et al., 2019: the five best by validation)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.learner import Learner
from tnas_cli.space.parameters import Parameters


def together(learner: Learner, members: Sequence[Parameters], batch: TaskBatch) -> Tensor:
    """Logarithm of the members' mean probabilities, [T, Q, way]; a single member's own logits."""
    answers = [learner.logits(parameters, batch) for parameters in members]
    if len(answers) == 1:
        return answers[0]
    return torch.stack([logits.softmax(-1) for logits in answers]).mean(0).log()
