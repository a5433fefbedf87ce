"""Several checkpoints answer together (Antoniou et al., 2019: the five best by validation)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.learner import Fitted, Labelled, Learner
from tnas_cli.spaces.parameters import Parameters


@dataclass(frozen=True)
class Together(Fitted):
    """Tasks that several members were fitted to; the answer is the logarithm of the mean of their probabilities, or a
    single member's own logits. The parameters are the first one's.
    """

    members: Sequence[Fitted]

    @property
    def own(self) -> Parameters:
        return self.members[0].own

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        return self.members[0].classifiers

    def by(self, classifier: Classifier) -> Together:
        return Together([member.by(classifier) for member in self.members])

    def transductive(self, x: Tensor) -> Tensor:
        return mean_answer([member.transductive(x) for member in self.members])

    def inductive(self, x: Tensor) -> Tensor:
        return mean_answer([member.inductive(x) for member in self.members])


def fit_all(learner: Learner, members: Sequence[Parameters], support: Labelled) -> Together:
    """Each of the meta-parameters fitted to the same tasks."""
    return Together([learner.fit(parameters, support) for parameters in members])


def mean_answer(answers: Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean probabilities of logits [..., way], or a single one's own logits."""
    if len(answers) == 1:
        return answers[0]
    return torch.stack([logits.softmax(-1) for logits in answers]).mean(0).log()
