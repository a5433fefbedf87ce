"""What a method is. One file per method ends in `METHOD = SearchMethod(...)` or `METHOD = TrainMethod(...)`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import torch

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.methods.about import About
from tnas_cli.methods.adapt import with_way
from tnas_cli.methods.all_classes import head_specs
from tnas_cli.methods.hard_tasks import HardTasks
from tnas_cli.methods.head import head_of, with_zero_head
from tnas_cli.methods.learner import Learner, SteppingLearner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.optimiser import outer_adam
from tnas_cli.methods.phase import Phase, pretrain
from tnas_cli.methods.streams import Episodes, Stream
from tnas_cli.runs.events import Event
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.settings.features import ENGINE, HARD_TASKS, PRETRAINING
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec, draw
from tnas_cli.spaces.space import SearchedNetwork

N = TypeVar("N", bound=Network)
S = TypeVar("S", SearchSettings, TrainSettings)
L = TypeVar("L", bound=Learner)


def _of_the_network(network: Network, settings: SearchSettings | TrainSettings) -> dict[str, Spec]:
    return network.specs()


@dataclass(frozen=True, kw_only=True)
class Method(Generic[N, S, L]):
    """What a method does; `about` holds the other facts.

    learner: what it does inside a task. shapes: its meta-parameters, which may be more or fewer than the network's.
    optimiser: moves them along the outer gradient. with_way: the meta-parameters in the shapes of a network for another
    number of classes. stream: where its tasks come from. before: a phase before the meta-learning.
    schedule: a factor of the outer rates, by the share of the training that is done, besides that of `cosine_to`.
    own: the shapes of what a task answers with, for images of so many pixels of a side; by default the network's
    weights, or the meta-parameters of a method without an inner loop.
    """

    about: About
    learner: Callable[[Engine, N, S], L]
    shapes: Callable[[N, S], dict[str, Spec]] = _of_the_network
    optimiser: Callable[[Parameters, S], torch.optim.Optimizer] = outer_adam
    with_way: Callable[[Parameters, Mapping[str, Spec]], Parameters] = with_way
    stream: Stream = field(default_factory=Episodes)
    before: Phase | None = None
    schedule: Callable[[float], float] = lambda progress: 1.0
    own: Callable[[N, S, int], dict[str, Spec]] | None = None

    def __post_init__(self) -> None:
        """Raises TypeError if `about` and the class do not agree."""
        if not isinstance(self.about, About):
            raise TypeError("its `about` is not an About")
        kind = SearchMethod if self.about.searches else TrainMethod
        if not isinstance(self, kind):
            raise TypeError(f"searches is {self.about.searches}, so it must be a {kind.__name__}")
        if (self.before is not None) != (PRETRAINING in self.about.reads):
            raise TypeError("a method has a phase before the meta-learning if, and only if, it reads PRETRAINING")

    @property
    def name(self) -> str:
        """Its name in `--method`."""
        return self.about.name

    @property
    def by_engine(self) -> bool:
        """Whether an engine computes it; other methods are differentiated in PyTorch."""
        return ENGINE in self.about.reads

    def start(
        self, network: N, settings: S, device: torch.device, purpose: str = "initial weights", classes: int = 0
    ) -> MetaState:
        """Algorithm 1, line 1: random meta-parameters, the same for the same seed and purpose, and their optimiser.

        classes: over how many training classes there is a linear layer (`Tasks.classes`); a phase before the
        meta-learning keeps it to itself, and otherwise it is among the meta-parameters.
        """
        shapes, head = self.shapes(network, settings), head_specs(network, classes) if classes else {}
        drawn = draw(shapes | head, torch_generator(settings.seed, purpose))
        if head_of(self.about, settings) == "zero":
            drawn = with_zero_head(drawn)
        parameters = {name: tensor.to(device) for name, tensor in drawn.items()}
        if self.before is None:
            return MetaState(parameters, self.optimiser(parameters, settings))
        own = {name: parameters.pop(name) for name in head}
        phase = self.before.start(network, parameters, own)
        return MetaState(parameters, self.optimiser(parameters, settings), phase=phase)

    def tasks(self, cache: ImageCache, settings: S, device: torch.device) -> Tasks:
        """What it learns from; raises SettingsError or DataError if the data set is too small for it."""
        tasks = self.stream.tasks(cache, settings, device)
        return (
            tasks if self.before is None else replace(tasks, labelled=self.before.batches.open(cache, settings, device))
        )

    def learn(self, network: N, settings: S, learner: L, state: MetaState, tasks: Tasks, plan: Plan) -> Iterator[Event]:
        """The phase before the meta-learning, as far as it is due, and Algorithm 1, lines 2 to 11, in the time left."""
        if self.before is not None and state.phase is not None:
            assert tasks.labelled is not None and isinstance(settings, TrainSettings)
            yield from pretrain(network, state, tasks.labelled, settings.pretrain, plan.seconds)
        if math.isfinite(plan.seconds):
            plan = replace(plan, seconds=max(plan.seconds - state.phase_seconds, 1e-3))
        if HARD_TASKS in self.about.reads:
            assert isinstance(settings, TrainSettings)
            plan = replace(plan, hard=HardTasks.of(settings))
        zero_head = head_of(self.about, settings) == "zero"
        yield from meta_learn(learner, state, tasks, replace(plan, zero_head=zero_head, schedule=self.schedule))


class SearchMethod(Method[SearchedNetwork, SearchSettings, SteppingLearner]):
    """A method that learns w~ and theta~ of the search network (`tnas search`)."""


class TrainMethod(Method[Network, TrainSettings, Learner]):
    """A method that trains a fixed network for few-shot tasks (`tnas train-eval`)."""
