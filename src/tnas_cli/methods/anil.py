"""ANIL (Raghu et al., 2020): MAML whose inner loop moves the last linear layer alone."""

from __future__ import annotations

from dataclasses import replace

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.methods.about import OWN
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.plus_plus import inner_loop
from tnas_cli.methods.unrolled import InnerLoop, Unrolled
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Spec


def is_head(name: str) -> bool:
    """Whether a tensor belongs to the last linear layer."""
    return name.startswith("classifier.")


def inner_loop_of(settings: TrainSettings) -> InnerLoop:
    """The inner loop of MAML, for the head."""
    return replace(inner_loop(settings), adapts=is_head)


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights, and what the inner loop learns in addition."""
    return inner_loop_of(settings).shapes(network.specs())


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Unrolled:
    """The learner, of first or second order as the settings say."""
    return Unrolled(engine, network, inner_loop_of(settings), settings.by_support)


METHOD = TrainMethod(
    about=OWN["anil"][0],
    shapes=shapes,
    learner=learner,
)
