"""The pieces of MAML++ (Antoniou et al., 2019): and the inner loop that they make.

Each piece is a setting of its own: learned_rates, multi_step, step_norms, cosine_to, order 'annealed', ensemble.
"""

from __future__ import annotations

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Spec

#: Gradients go through the inner steps from a third of the training on: 50 of the 150 epochs published.
ANNEALED_FROM = 1 / 3

Settings = SearchSettings | TrainSettings


def inner_loop(settings: Settings) -> InnerLoop:
    """The inner loop that the settings describe."""
    return InnerLoop(
        alpha=settings.alpha_inner,
        steps=settings.inner_steps,
        test_steps=settings.test_steps,
        beta=settings.beta_inner if isinstance(settings, SearchSettings) else 0.0,
        learned_rates=settings.learned_rates,
        step_norms=settings.step_norms,
        multi_step=settings.multi_step,
        second_order_from={"first": 1.0, "second": 0.0, "annealed": ANNEALED_FROM}[settings.order],
    )


def shapes(network: Network, settings: Settings) -> dict[str, Spec]:
    """The network's parameters, and what the inner loop learns in addition."""
    return inner_loop(settings).shapes(network.specs())


def learner(engine: Engine, network: Network, settings: Settings) -> Unrolled:
    """The learner that the settings describe."""
    return Unrolled(engine, network, inner_loop(settings), settings.by_support)
