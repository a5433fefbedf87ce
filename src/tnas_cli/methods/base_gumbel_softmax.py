"""BASE with a Gumbel-softmax relaxation (Shaw et al., 2018), in our reading: `base_softmax.py` says it all."""

from __future__ import annotations

from tnas_cli.engines.interface import Engine
from tnas_cli.methods.about import OWN
from tnas_cli.methods.base_softmax import Base, Gumbel, learner_with
from tnas_cli.methods.method import SearchMethod
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.space import SearchedNetwork


def learner(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> Base:
    """With noise that follows from the seed."""
    return learner_with(Gumbel(settings.seed), engine, network, settings)


METHOD = SearchMethod(
    about=OWN["base-gumbel-softmax"][0],
    learner=learner,
)
