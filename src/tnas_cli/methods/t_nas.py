"""T-NAS (Algorithm 1): meta-learn the weights w~ and the architecture parameters theta~ of the search network.

The outer loop is `methods.meta_learn`; here is what happens inside a task.
"""

from __future__ import annotations

from tnas_cli.engines.interface import Engine, InnerRule
from tnas_cli.methods import plus_plus
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import GradientSteps, SteppingLearner
from tnas_cli.methods.method import SearchMethod
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.registry import space
from tnas_cli.spaces.space import SearchedNetwork


def search_network(settings: SearchSettings, in_channels: int) -> SearchedNetwork:
    """The network that the settings describe."""
    network = space(settings.space).search_network(settings.way, in_channels, settings.channels, settings.nodes)
    if settings.statistics != "task":
        return network
    from tnas_cli.spaces.task_norm import TaskNormedSearch

    return TaskNormedSearch(network)


def steps(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> GradientSteps:
    """Algorithm 1, lines 4 to 9: Equations 7 and 8, or 5 and 6, as the settings say."""

    def rule(steps: int) -> InnerRule:
        return InnerRule(settings.alpha_inner, settings.beta_inner, steps, settings.alternating)

    return GradientSteps(
        engine,
        network,
        rule(settings.inner_steps),
        rule(settings.test_steps),
        second_order=settings.order == "second",
        by_support=settings.by_support,
    )


def learner(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> SteppingLearner:
    """Plain steps, or an inner loop with the pieces of MAML++ that the settings name."""
    if settings.pieces:
        return plus_plus.learner(engine, network, settings)
    return steps(engine, network, settings)


METHOD = SearchMethod(
    about=OWN["t-nas"][0],
    shapes=plus_plus.shapes,
    learner=learner,
)
