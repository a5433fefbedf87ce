"""All methods by name: those that search (`tnas search`) and those that train a fixed network (`tnas train-eval`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.errors import SettingsError
from tnas_cli.methods import anil, auto_maml, maml, meta_sgd, plus_plus, t_nas
from tnas_cli.methods.compare_nets import CompareNets
from tnas_cli.methods.learner import Learner, SteppingLearner
from tnas_cli.methods.matching_nets import MatchingNets
from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.proto_nets import ProtoNets
from tnas_cli.methods.unrolled import InnerLoop
from tnas_cli.settings.few_shot import SearchSettings, TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.relation_network import RelationNetwork
from tnas_cli.spaces.search_network import SearchNetwork


@dataclass(frozen=True)
class SearchMethod:
    """A method that learns w~ and theta~ of the search network."""

    title: str
    start: Callable[[SearchNetwork, SearchSettings, torch.device], MetaState]
    learner: Callable[[Engine, SearchNetwork, SearchSettings], SteppingLearner]


@dataclass(frozen=True)
class TrainMethod:
    """A method that trains a fixed network for few-shot tasks. `by_engine`: whether an engine computes it; the others
    are differentiated in PyTorch.
    """

    title: str
    start: Callable[[Network, TrainSettings, str, torch.device], MetaState]
    learner: Callable[[Engine, Network, TrainSettings], Learner]
    by_engine: bool = True


def _t_nas_start(network: SearchNetwork, settings: SearchSettings, device: torch.device) -> MetaState:
    state = t_nas.start(network, settings, device)
    return plus_plus.extended(state, plus_plus.inner_loop(settings), settings) if settings.pieces else state


def _t_nas_learner(engine: Engine, network: SearchNetwork, settings: SearchSettings) -> SteppingLearner:
    if settings.pieces:
        return plus_plus.learner(engine, network, settings)
    return t_nas.learner(engine, network, settings)


def _maml_start(network: Network, settings: TrainSettings, purpose: str, device: torch.device) -> MetaState:
    state = maml.start(network, settings, purpose, device)
    return plus_plus.extended(state, _LOOPS[settings.method](settings), settings)


def _maml_learner(engine: Engine, network: Network, settings: TrainSettings) -> SteppingLearner:
    if settings.pieces:
        return plus_plus.learner(engine, network, settings)
    return maml.learner(engine, network, settings)


_LOOPS: dict[str, Callable[[TrainSettings], InnerLoop]] = {
    "maml": plus_plus.inner_loop,
    "maml++": plus_plus.inner_loop,
    "meta-sgd": meta_sgd.inner_loop_of,
    "anil": anil.inner_loop_of,
}


def _metric_start(network: Network, settings: TrainSettings, purpose: str, device: torch.device) -> MetaState:
    """Weights without a classifier, which these methods do not have."""
    return maml.start(network, settings, purpose, device, without="classifier.")


def relation_network(network: Network) -> RelationNetwork:
    """CompareNets' network for the same images as 4CONV; raises SettingsError for any other network."""
    if not isinstance(network, FourConv):
        raise SettingsError(
            "compare-nets has an architecture of its own, and trains no genotype.",
            hint="run: tnas train-eval 4conv --method compare-nets --dataset ...",
        )
    return RelationNetwork(network.way, network.in_channels, network.size, network.filters)


def _embedding(network: Network) -> DecodedNetwork | FourConv:
    assert isinstance(network, DecodedNetwork | FourConv)
    return network


SEARCH: dict[str, SearchMethod] = {
    "t-nas": SearchMethod("T-NAS", _t_nas_start, _t_nas_learner),
    "t-nas++": SearchMethod("T-NAS++", _t_nas_start, _t_nas_learner),
    "auto-maml": SearchMethod("Auto-MAML", t_nas.start, auto_maml.learner),
}

TRAIN: dict[str, TrainMethod] = {
    "maml": TrainMethod("MAML", _maml_start, _maml_learner),
    "maml++": TrainMethod("MAML++", _maml_start, _maml_learner),
    "meta-sgd": TrainMethod("Meta-SGD", _maml_start, meta_sgd.learner),
    "anil": TrainMethod("ANIL", _maml_start, anil.learner),
    "protonets": TrainMethod(
        "ProtoNets",
        _metric_start,
        lambda engine, network, settings: ProtoNets(_embedding(network), settings.way),
        by_engine=False,
    ),
    "matching-nets": TrainMethod(
        "Matching nets",
        _metric_start,
        lambda engine, network, settings: MatchingNets(_embedding(network), settings.way),
        by_engine=False,
    ),
    "compare-nets": TrainMethod(
        "CompareNets",
        lambda network, settings, purpose, device: maml.start(relation_network(network), settings, purpose, device),
        lambda engine, network, settings: CompareNets(relation_network(network), settings.way),
        by_engine=False,
    ),
}
