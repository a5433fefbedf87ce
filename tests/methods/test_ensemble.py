"""Checkpoints that answer together."""

import torch

from tests.synthetic import labelled, parameters_of
from tnas_cli.engines.interface import InnerRule
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.ensemble import fit_all
from tnas_cli.methods.learner import GradientSteps
from tnas_cli.spaces.four_conv import FourConv

NETWORK = FourConv(3, 1, 20, filters=4)
LEARNER = GradientSteps(TorchEngine(), NETWORK, InnerRule(0.1, 0, 1), InnerRule(0.1, 0, 2))
BATCH = TaskBatch(*labelled(2, 3, 1, 1, 20, seed=1), *labelled(2, 3, 2, 1, 20, seed=2), way=3)


def test_probabilities_are_averaged() -> None:
    members = [parameters_of(NETWORK, seed) for seed in range(3)]
    alone = [LEARNER.fit(w, BATCH.support).both(BATCH.query_x) for w in members]
    for kind, found in enumerate(fit_all(LEARNER, members, BATCH.support).both(BATCH.query_x)):
        mean = sum(answers[kind].softmax(-1) for answers in alone) / 3
        torch.testing.assert_close(found.softmax(-1), mean)


def test_one_member_answers_as_it_does_alone() -> None:
    w = parameters_of(NETWORK)
    transductive, inductive = fit_all(LEARNER, [w], BATCH.support).both(BATCH.query_x)
    fitted = LEARNER.fit(w, BATCH.support)
    assert torch.equal(transductive, fitted.transductive(BATCH.query_x))
    assert torch.equal(inductive, fitted.inductive(BATCH.query_x))
