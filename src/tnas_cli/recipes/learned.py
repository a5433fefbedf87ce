"""What a best.pt has learned, whichever command wrote it: a network for any number of classes, its meta-parameters, and
the method that fits them to a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast, get_args

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.episodes.own_images import Invert, OwnImages
from tnas_cli.errors import CheckpointError, GenotypeError, SettingsError
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.head import head_of
from tnas_cli.methods.learner import Learner
from tnas_cli.methods.method import Method
from tnas_cli.methods.registry import search_method, training_method
from tnas_cli.methods.soft_pruning import PRUNE_STEPS, SoftPruning
from tnas_cli.methods.state_file import parameters_of
from tnas_cli.methods.t_nas import search_network
from tnas_cli.plain import NOT_AS_WRITTEN
from tnas_cli.recipes.trainable import Trainable
from tnas_cli.records.codec import decode
from tnas_cli.records.parts import Calibration, DataFacts, Inner
from tnas_cli.runs import checkpoint
from tnas_cli.settings.features import INNER_LOOP, INNER_RATE, INNER_THETA
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.registry import USUAL
from tnas_cli.spaces.space import SearchedNetwork

Settings = SearchSettings | TrainSettings


@dataclass(frozen=True)
class Learned(ABC):
    """A checkpoint without its tensors. `about` is what the checkpoint says of itself, `data` the images that it
    learned from; `settings` are those of the command that wrote it.
    """

    about: Mapping[str, Any]
    settings: Settings
    data: DataFacts

    kind: ClassVar[str]
    weights: ClassVar[str] = "from-scratch"

    @classmethod
    @abstractmethod
    def of(cls, about: Mapping[str, Any]) -> Learned:
        """From what a checkpoint says; raises KeyError, TypeError, MisfitError and SettingsError."""

    @property
    @abstractmethod
    def _method(self) -> Method[Any, Any, Any]:
        """What learned the meta-parameters."""

    @property
    @abstractmethod
    def network_name(self) -> str:
        """What records call the network."""

    @abstractmethod
    def network(self, way: int) -> Network:
        """The network for so many classes."""

    @abstractmethod
    def learner(self, engine: Engine, network: Network) -> Learner:
        """What fits the meta-parameters to a task."""

    def decode(self, theta: Tensor) -> Genotype:
        """The architecture that a task's theta [2, edges, operations] decides on; raises ValueError without theta."""
        raise ValueError(f"{self.network_name} has no theta")

    @property
    def searched(self) -> bool:
        """Whether theta is among the parameters."""
        return isinstance(self.settings, SearchSettings)

    @property
    def method(self) -> str:
        """The method that results stand for: for a genotype's network the one that found it, where it is known."""
        return self._method.name

    @property
    def training(self) -> str | None:
        """The method that trained the weights of a decoded or fixed network."""
        return None

    @property
    def head(self) -> str | None:
        """'zero' where each task begins with a linear layer of zeros."""
        return head_of(self._method.about, self.settings)

    @property
    def by_engine(self) -> bool:
        """Whether an engine computes it; other methods are computed in PyTorch."""
        return self._method.by_engine

    @property
    def space(self) -> str:
        """Where its architecture is from."""
        return self.settings.space if isinstance(self.settings, SearchSettings) else USUAL

    @property
    def channels(self) -> int | None:
        """The network's width, as records carry it."""
        return self.settings.channels

    @property
    def size(self) -> int:
        """Pixels of an image's side."""
        assert self.data.size is not None
        return self.data.size

    def images(self, invert: Invert) -> OwnImages:
        """How a person's own images become those that it learned from."""
        data = self.data
        return OwnImages(self.size, data.channels, data.mean, data.std, invert, data.bright_ground)

    @property
    def run(self) -> str:
        """The folder of the run that wrote it."""
        return str(self.about["run"])

    @property
    def tasks_done(self) -> int:
        """On how many tasks it learned."""
        return int(self.about["progress"]["tasks_done"])

    @property
    def calibration(self) -> Calibration | None:
        """What validation tasks say of its inductive answers by its classifier; None for a checkpoint that was not
        calibrated."""
        found = [decode(Calibration, one) for one in self.about.get("calibration", ())]
        wanted = [one for one in found if one.classifier == self.about.get("classifier", one.classifier)]
        return wanted[0] if wanted else None

    @property
    def classifier(self) -> Classifier:
        """What gives inductive answers, where the method has a choice: what was asked for, or what was best on
        validation tasks."""
        best = "linear" if self.calibration is None else self.calibration.classifier
        return cast("Classifier", self.about.get("classifier", best))

    def with_classifier(self, classifier: Classifier | None) -> Learned:
        """With another classifier for inductive answers; raises SettingsError for one that there is not."""
        if classifier is None:
            return self
        if classifier not in get_args(Classifier):
            raise SettingsError(
                f"the classifier is {classifier!r}.", hint=f"choose {' or '.join(get_args(Classifier))}"
            )
        if self.inner is None:
            raise SettingsError(f"{self._method.name} compares images in its own way.", hint="leave --classifier out")
        known = [one["classifier"] for one in self.about.get("calibration", ())]
        if known and classifier not in known:
            said = f"{self._method.name} answers by {' and '.join(known)} alone, with {self.network_name}."
            raise SettingsError(said, hint="leave --classifier out")
        return type(self)({**self.about, "classifier": classifier}, self.settings, self.data)

    @property
    def temperature(self) -> float:
        """What the logits of inductive answers are divided by."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    @property
    def inner(self) -> Inner | None:
        """How a task adapts; None for methods that compare images."""
        if INNER_LOOP not in self._method.about.reads:
            return None
        s = self.settings
        moves_theta = INNER_THETA in self._method.about.reads and isinstance(s, SearchSettings)
        alpha = s.alpha_inner if INNER_RATE in self._method.about.reads else None
        return Inner(alpha=alpha, beta=s.beta_inner if moves_theta else 0.0, steps=s.test_steps)  # type: ignore[union-attr]

    def with_steps(self, steps: int | None) -> Learned:
        """With another number of inner steps; raises SettingsError where there are none."""
        if steps is None:
            return self
        if steps < 1:
            raise SettingsError(f"--steps is {steps}.", hint="choose at least 1")
        if self.inner is None:
            raise SettingsError(f"{self._method.name} takes no inner steps.", hint="leave --steps out")
        return type(self)(self.about, self.settings.replace(test_steps=steps), self.data)

    def shapes(self, network: Network) -> dict[str, Spec]:
        """Its meta-parameters for a network."""
        return self._method.shapes(network, self.settings)

    def own(self, network: Network) -> dict[str, Spec]:
        """What a task answers with."""
        if self._method.own is not None:
            return self._method.own(network, self.settings, self.size)
        # Methods that compare images have no classifier; the others answer with all weights of the network.
        return self.shapes(network) if self.inner is None else network.specs()

    def for_way(self, parameters: Parameters, network: Network) -> Parameters:
        """The meta-parameters for a network of another number of classes."""
        return self._method.with_way(parameters, self.shapes(network))


@dataclass(frozen=True)
class Searched(Learned):
    """A meta-architecture: w~ and theta~ of a search network."""

    settings: SearchSettings
    kind = checkpoint.META_ARCHITECTURE
    weights = "inherited"

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Searched:
        return cls(about, SearchSettings.from_dict(about["settings"]), decode(DataFacts, about["data"]))

    @property
    def _method(self) -> Method[Any, Any, Any]:
        return search_method(self.settings.method)

    @property
    def network_name(self) -> str:
        return "search network adapted"

    def network(self, way: int) -> SearchedNetwork:
        return search_network(self.settings.replace(way=way), self.data.channels)

    def learner(self, engine: Engine, network: Network) -> Learner:
        return search_method(self.settings.method).learner(engine, cast("SearchedNetwork", network), self.settings)

    def decode(self, theta: Tensor) -> Genotype:
        return self.network(self.settings.way).space.decode(theta)


@dataclass(frozen=True)
class Trained(Learned):
    """A genotype's network, or a fixed one, that `tnas train-eval` trained from scratch."""

    settings: TrainSettings
    kind = checkpoint.DECODED_WEIGHTS

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Trained:
        learned = cls(about, TrainSettings.from_dict(about["settings"]), decode(DataFacts, about["data"]))
        learned.trainable  # noqa: B018  a genotype or a name that does not exist is refused now
        return learned

    @property
    def trainable(self) -> Trainable:
        """The network before its number of classes is known."""
        return Trainable.from_json(self.about)

    @property
    def _method(self) -> Method[Any, Any, Any]:
        return training_method(self.settings.method)

    @property
    def network_name(self) -> str:
        return self._method.about.network or self.trainable.name

    @property
    def method(self) -> str:
        return self.settings.method if self.trainable.genotype is None else str(self.about.get("found_by", "genotype"))

    @property
    def training(self) -> str:
        return self.settings.method

    @property
    def space(self) -> str:
        genotype = self.trainable.genotype
        return USUAL if genotype is None else genotype.space

    def network(self, way: int) -> Network:
        return self.trainable.build(self.settings.replace(way=way), self.data.channels, self.size)

    def learner(self, engine: Engine, network: Network) -> Learner:
        return training_method(self.settings.method).learner(engine, network, self.settings.replace(way=network.way))


@dataclass(frozen=True)
class Inherited(Searched):
    """A meta-architecture whose weights were meta-trained further, through the steps that decode it (soft pruning).

    A task keeps the architecture that its own theta decodes to.
    """

    kind = checkpoint.INHERITED_WEIGHTS

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Inherited:
        search = about["search"]
        return cls(about, SearchSettings.from_dict(search["settings"]), decode(DataFacts, search["data"]))

    @property
    def network_name(self) -> str:
        return "decoded network adapted"

    @property
    def training(self) -> str:
        return "soft-pruning"

    def learner(self, engine: Engine, network: Network) -> Learner:
        searched = cast("SearchedNetwork", network)
        base = search_method(self.settings.method).learner(engine, searched, self.settings)
        return SoftPruning(engine, searched, base, PRUNE_STEPS, max_skips=self.about["max_skips"])


KINDS: dict[str, type[Learned]] = {learned.kind: learned for learned in (Searched, Trained, Inherited)}


def describe(kind: str, about: Mapping[str, Any], where: Path) -> Learned:
    """What a checkpoint of one of KINDS says of itself; raises CheckpointError."""
    try:
        learned = KINDS[kind].of(about)
        _ = learned.size, learned.run, learned.tasks_done, learned.calibration
    except (*NOT_AS_WRITTEN, AssertionError, SettingsError, GenotypeError) as error:
        raise CheckpointError(
            f"{where} does not say all that is needed to adapt it ({type(error).__name__}: {error}).",
            hint="pass a best.pt written by `tnas search` or `tnas train-eval` of this version",
        ) from error
    return learned


def load_learned(path: Path, device: torch.device) -> tuple[Learned, Parameters]:
    """What a best.pt or last.pt holds, and its meta-parameters; raises CheckpointError."""
    saved = checkpoint.load(path, *KINDS)
    learned = describe(saved.kind, saved.about, path)
    return learned, parameters_of(saved, learned.shapes(learned.network(learned.settings.way)), device)
