"""Auto-MAML (Algorithm 3): one architecture for all tasks, found while MAML learns its weights.

The images of every training class are divided 1 : 1. Meta-batches of the first half move w~, those of the second theta,
in turn. The inner loop adapts w alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from tnas_cli.engines.interface import Engine, InnerRule, MetaGradient
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import GradientSteps, OnGradientSteps
from tnas_cli.methods.method import SearchMethod
from tnas_cli.methods.streams import EpisodesInHalves
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.space import SearchedNetwork

#: The half of the images that moves theta, and on which the best theta is chosen.
THETA_HALF = 2


@dataclass(frozen=True)
class AutoMaml(OnGradientSteps):
    """Algorithm 3: MAML whose outer gradient goes to w or theta, depending on the half of the images in a batch."""

    network: SearchedNetwork

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        found = self.steps.meta_gradient(parameters, batch, progress)
        to_theta = batch.half == THETA_HALF
        moved = {name: g for name, g in found.gradients.items() if (name == THETA) == to_theta}
        return MetaGradient(moved, found.query_losses, found.query_accuracies)


def learner(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> AutoMaml:
    """w adapts at alpha_inner; theta does not adapt inside a task."""
    steps = GradientSteps(
        engine,
        network,
        InnerRule(settings.alpha_inner, 0.0, settings.inner_steps),
        InnerRule(settings.alpha_inner, 0.0, settings.test_steps),
        second_order=settings.order == "second",
        by_support=settings.by_support,
    )
    return AutoMaml(engine, network, steps)


METHOD = SearchMethod(
    about=OWN["auto-maml"][0],
    learner=learner,
    stream=EpisodesInHalves(),
)
