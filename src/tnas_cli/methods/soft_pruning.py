"""Decoded architectures with the search network's weights, by soft pruning (after MetaNAS: Elsken et al., 2020).

A task first adapts as in T-NAS. Then its mixed operations turn, over a few more steps, into the decoded ones, while w
goes on adapting. The result is the search network in which every kept edge computes one operation and every other edge
nothing. A short meta-training of w~ through these steps prepares the weights for that: along each task's own genotype,
or, so that others are served as well, along given or random ones (`along`; evenly sampled, as by Guo et al., 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, MetaGradient
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import DivergedError
from tnas_cli.methods.learner import AdaptingLearner, Labelled, SteppingLearner
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA, Parameters
from tnas_cli.spaces.space import SearchedNetwork, Space

#: Steps from the adapted mixture to the decoded one.
PRUNE_STEPS = 3

#: Probability below which an operation counts as gone; its logarithm is still a number.
NOTHING = 1e-20


@dataclass(frozen=True)
class SoftPruning(AdaptingLearner):
    """A task adapts as in the search, by `base`; then w alone moves in `prune_steps` steps, while the mixture goes from
    the adapted one to the decoded one in equal parts. `paths`: what the tasks of a batch end with, as `paths_of` gives
    it. Without them, each task ends with the genotype that its own theta decodes to, with at most `max_skips` skip
    connections per cell if that is a number.
    """

    engine: Engine
    network: SearchedNetwork
    base: SteppingLearner
    prune_steps: int
    paths: Tensor | None = None
    max_skips: int | None = None

    @property
    def by_support(self) -> bool:
        return self.base.by_support

    def on(self, batch: TaskBatch) -> SoftPruning:
        return self if batch.paths is None else replace(self, paths=batch.paths)

    def diverged(self, parameters: Parameters, support: Labelled) -> DivergedError | None:
        return self.base.diverged(parameters, support)

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        adapted = self.base.adapt(parameters, support)
        own, losses = dict(adapted.parameters), [adapted.support_losses]
        theta = own[THETA].detach()
        chosen = self._decoded(theta)
        for step in range(1, self.prune_steps + 1):
            own[THETA] = between(theta, chosen, step / self.prune_steps)
            found = self.engine.gradients(self.network, own, support)
            losses.append(found.losses.unsqueeze(1))
            own = self.base.move_w(parameters, own, found.gradients)
        return Adapted(own, torch.cat(losses, dim=1))

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        """First order; theta~ and learned inner rates stay as they were searched. Of batch norms learned per step, only
        those of the last step move.
        """
        own = self.on(batch).adapt(parameters, batch.support).parameters
        measured = batch.support_x if self.by_support else None
        found = self.engine.gradients(self.network, own, (batch.query_x, batch.query_y), measured)
        gradients = {}
        for name, gradient in found.gradients.items():
            if name == THETA:
                continue
            gradients[name] = torch.zeros_like(parameters[name])
            last = gradients[name] if gradients[name].shape == gradient.shape[1:] else gradients[name][-1]
            last += gradient.sum(0)
        return MetaGradient(gradients, found.losses, task_accuracies(found.logits, batch.query_y))

    def _decoded(self, theta: Tensor) -> Tensor:
        """The mixture [T, 2, edges, operations] to end with."""
        if self.paths is not None:
            return self.paths.to(theta)
        space = self.network.space
        return paths_of(space, [space.decode(own, self.max_skips) for own in theta]).to(theta)


def paths_of(space: Space, genotypes: Sequence[Genotype]) -> Tensor:
    """The mixtures [T, 2, edges, operations] that are genotypes: 1 for the operation of an edge, or for none."""
    return torch.stack([space.one_hot(genotype) for genotype in genotypes])


def along(tasks: Tasks, space: Space, path: Callable[[int], Genotype]) -> Tasks:
    """The same tasks, each pruned to a genotype that its number says: training tasks count from 0, and so do validation
    tasks."""

    def beside(batch: TaskBatch, first: int) -> TaskBatch:
        return replace(batch, paths=paths_of(space, [path(first + n) for n in range(len(batch))]))

    def train(first: int, count: int) -> TaskBatch:
        return beside(tasks.train(first, count), first)

    def validate() -> Iterator[TaskBatch]:
        first = 0
        for batch in tasks.validate():
            yield beside(batch, first)
            first += len(batch)

    return replace(tasks, train=train, validate=validate)


def between(theta: Tensor, chosen: Tensor, share: float) -> Tensor:
    """The theta whose softmax is (1 - share) softmax(theta) + share * chosen."""
    mixture = (1 - share) * theta.softmax(-1) + share * chosen
    return mixture.clamp(min=NOTHING).log()
