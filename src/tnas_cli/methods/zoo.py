"""All methods by name, as dictionaries: those that search and those that train a fixed network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tnas_cli.methods.meta_learn import MetaState
from tnas_cli.methods.registry import search_method, search_methods, training_method, training_methods


@dataclass(frozen=True)
class Named:
    """A method of either kind."""

    title: str
    start: Callable[..., MetaState]
    learner: Callable[..., Any]
    by_engine: bool


def _training(name: str) -> Named:
    method = training_method(name)

    def start(network: Any, settings: Any, purpose: str, device: torch.device) -> MetaState:
        return method.start(network, settings, device, purpose)

    return Named(method.about.title, start, method.learner, method.by_engine)


SEARCH = {
    name: Named(found.about.title, found.start, found.learner, found.by_engine)
    for name, found in ((name, search_method(name)) for name in search_methods())
}
TRAIN = {name: _training(name) for name in training_methods()}
