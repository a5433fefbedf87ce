"""MAML on a fixed network (Equations 1 and 2, or first-order 8): how a decoded network is trained (Section 5.2.2)."""

from __future__ import annotations

from tnas_cli.engines.interface import Engine, InnerRule, Network
from tnas_cli.methods import plus_plus
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import GradientSteps, SteppingLearner
from tnas_cli.methods.method import TrainMethod
from tnas_cli.settings.train import TrainSettings


def steps(engine: Engine, network: Network, settings: TrainSettings) -> GradientSteps:
    """MAML, first or second order as the settings say."""
    alpha = settings.alpha_inner
    return GradientSteps(
        engine,
        network,
        InnerRule(alpha, 0.0, settings.inner_steps),
        InnerRule(alpha, 0.0, settings.test_steps),
        second_order=settings.order == "second",
        by_support=settings.by_support,
    )


def learner(engine: Engine, network: Network, settings: TrainSettings) -> SteppingLearner:
    """Plain steps, or an inner loop with the pieces of MAML++ that the settings name."""
    if settings.pieces:
        return plus_plus.learner(engine, network, settings)
    return steps(engine, network, settings)


METHOD = TrainMethod(
    about=OWN["maml"][0],
    shapes=plus_plus.shapes,
    learner=learner,
)
