"""A kept model as an ordinary `torch.nn.Module`: for fine-tuning, for other programs, and for export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from tnas_cli.engines.interface import Network
from tnas_cli.methods.ensemble import mean_answer
from tnas_cli.methods.learner import Fitted, FittedNetwork
from tnas_cli.methods.metric import Compared, MetricLearner
from tnas_cli.methods.running_moments import FittedByRunning
from tnas_cli.recipes.kept_model import KeptModel, load_model
from tnas_cli.runs.device import Machine
from tnas_cli.spaces.moments import Moments, moments_given, moments_kept
from tnas_cli.spaces.parameters import Parameters

#: How much of its moments a batch norm takes from each batch in training mode, as in PyTorch's own.
MOMENTUM = 0.1


class TaskModule(nn.Module):
    """A network that was fitted to a task: images [N, C, H, W], normalised as `preparation` says, to logits [N, way].

    Its weights are parameters under the names of the network (a dot becomes a slash), its batch norms' moments are
    buffers. In evaluation mode an answer depends on its image alone. In training mode batch norms use the batch, and
    their moments follow it, as those of `torch.nn.BatchNorm2d` do.
    """

    def __init__(self, own: Parameters, moments: Sequence[Moments]) -> None:
        super().__init__()
        for name, tensor in own.items():
            self.register_parameter(_key(name), nn.Parameter(tensor[0].detach().clone()))
        self._names = list(own)
        self._measured = [norm.images for norm in moments]
        for number, norm in enumerate(moments):
            self.register_buffer(f"norm{number}/mean", norm.mean.detach().clone())
            self.register_buffer(f"norm{number}/variance", norm.variance.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, way]."""
        own = {name: self.get_parameter(_key(name)).unsqueeze(0) for name in self._names}
        moments = list(self._moments())
        if not self.training:
            with moments_given(moments):
                return self.logits(own, x.unsqueeze(0))[0]
        with moments_kept() as kept:
            logits = self.logits(own, x.unsqueeze(0))[0]
        with torch.no_grad():
            for old, new in zip(moments, kept, strict=True):
                old.mean.lerp_(new.mean, MOMENTUM)
                old.variance.lerp_(new.variance, MOMENTUM)
        return logits

    def logits(self, own: Parameters, x: Tensor) -> Tensor:
        """Logits [1, N, way] of x [1, N, C, H, W] at parameters [1, ...]."""
        raise NotImplementedError

    def _moments(self) -> Iterator[Moments]:
        for number, images in enumerate(self._measured):
            yield Moments(self.get_buffer(f"norm{number}/mean"), self.get_buffer(f"norm{number}/variance"), images)


class NetworkModule(TaskModule):
    """A network with a classifier of its own."""

    def __init__(self, network: Network, own: Parameters, moments: Sequence[Moments]) -> None:
        super().__init__(own, moments)
        self._network = network

    @classmethod
    def by_support(cls, network: Network, own: Parameters, support_x: Tensor) -> NetworkModule:
        """With the moments of the support images [1, S, C, H, W]."""
        return cls(network, own, _measured(lambda: network.logits(own, support_x)))

    def logits(self, own: Parameters, x: Tensor) -> Tensor:
        """By the network."""
        return self._network.logits(own, x)


class ComparingModule(TaskModule):
    """A network that compares an image with the support images, whose features are a buffer."""

    def __init__(self, learner: MetricLearner, own: Parameters, support: tuple[Tensor, Tensor]) -> None:
        features, labels = learner.embed(own, support[0]).detach(), support[1]

        def passed() -> None:
            learner.scores(own, learner.embed(own, support[0]), labels, features)

        super().__init__(own, _measured(passed))
        self._learner = learner
        self.register_buffer("support/features", features)
        self.register_buffer("support/labels", labels)

    def logits(self, own: Parameters, x: Tensor) -> Tensor:
        """By the method's comparison."""
        features, labels = self.get_buffer("support/features"), self.get_buffer("support/labels")
        return self._learner.scores(own, features, labels, self._learner.embed(own, x))


class TogetherModule(nn.Module):
    """Several networks that answer by their mean probabilities."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, way]."""
        return mean_answer([member(x) for member in self.members])


def module(model: Path | str | KeptModel) -> nn.Module:
    """What `tnas adapt --save` kept, as a module in evaluation mode: images [N, C, H, W] to logits [N, way].

    The images are normalised as the module's `preparation` says; `class_names` are the classes in the order of the
    logits. Raises CheckpointError.
    """
    kept = model if isinstance(model, KeptModel) else load_model(Path(model), Machine(engine="torch"))
    members = [of_member(member) for member in kept.fitted.members]
    made = members[0] if len(members) == 1 else TogetherModule(members)
    made.class_names, made.preparation = kept.classes, kept.images  # type: ignore[assignment]
    return made.eval()


def of_member(member: Fitted) -> TaskModule:
    """One fitted network, of a single task, as a module."""
    if isinstance(member, FittedNetwork):
        return NetworkModule.by_support(member.network, member.answering_parameters, member.support[0])
    if isinstance(member, FittedByRunning):
        return NetworkModule(member.network, member.weights, member.moments)
    assert isinstance(member, Compared)
    with torch.no_grad():
        fixed = member.learner.as_network(member.own, member.support)
    if fixed is not None:
        return NetworkModule.by_support(*fixed, member.support[0])
    return ComparingModule(member.learner, member.own, member.support)


def _key(name: str) -> str:
    return name.replace(".", "/")


@torch.no_grad()
def _measured(run: Callable[[], object]) -> list[Moments]:
    """The moments of every batch norm that a pass meets."""
    with moments_kept() as kept:
        run()
    return kept
