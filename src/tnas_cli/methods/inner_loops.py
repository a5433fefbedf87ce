"""Training methods that are MAML with another inner loop: each says only which."""

from __future__ import annotations

from collections.abc import Callable

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.about import About
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Spec


def method_of(about: About, inner_loop_of: Callable[[TrainSettings], InnerLoop]) -> TrainMethod:
    """The method with this inner loop, of first or second order as the settings say. Its meta-parameters are the
    network's weights, and what the inner loop learns in addition."""

    def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
        return inner_loop_of(settings).shapes(network.specs())

    def learner(engine: Engine, network: Network, settings: TrainSettings) -> Unrolled:
        return Unrolled(engine, network, inner_loop_of(settings), settings.by_support)

    return TrainMethod(about=about, shapes=shapes, learner=learner)
