"""Inner loops whose rates are learned and whose steps differ: MAML++, Meta-SGD, ANIL, and T-NAS++ (with theta).

Besides the network's parameters, the meta-parameters may hold

* `rate/<name>`: what the base rate of that tensor is multiplied by, one number per step [steps] or one per weight;
* a batch norm's `gain` and `bias` once per step, [steps + 1, C], which the inner loop does not adapt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, Gradients, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.head import is_head
from tnas_cli.methods.learner import Labelled, SteppingLearner
from tnas_cli.spaces.moments import logits_of
from tnas_cli.spaces.parameters import THETA, Parameters, Spec, for_tasks

RATE = "rate/"
LearnedRates = Literal["none", "step", "weight"]


def is_norm(name: str) -> bool:
    """Whether a tensor is a batch norm's gain or bias."""
    return name.endswith((".gain", ".bias")) and not is_head(name)


def weight_count(parameters: Mapping[str, Tensor | Spec]) -> int:
    """How many weights w meta-parameters hold; theta and learned rates are not counted."""
    return sum(math.prod(one.shape) for name, one in parameters.items() if name != THETA and not name.startswith(RATE))


def everything(name: str) -> bool:
    """All tensors adapt."""
    return True


@dataclass(frozen=True)
class InnerLoop:
    """What moves inside a task, and how. `adapts` names the tensors that do; norms per step never do.

    multi_step: the share of the training over which the outer loss moves from all steps to the last one, 0 for the last
    one alone. second_order_from: the share of the training from which gradients go through the steps, 1 for never.
    furthest_theta: how far an inner step at a learned rate may move a number of theta. After the first step the
    gradients of most tasks are tiny, so that the later rates are learned to be large; on a task that the first step
    does not solve they would throw theta far away.
    """

    alpha: float
    steps: int
    test_steps: int
    beta: float = 0.0
    adapts: Callable[[str], bool] = everything
    learned_rates: LearnedRates = "none"
    step_norms: bool = False
    multi_step: float = 0.0
    second_order_from: float = 1.0
    furthest_theta: float = 0.5

    def shapes(self, network: Mapping[str, Spec]) -> dict[str, Spec]:
        """The meta-parameters: the network's, with rates and norms per step where they are learned."""
        found = {
            name: replace(spec, shape=(self.steps + 1, *spec.shape)) if self._per_step(name) else spec
            for name, spec in network.items()
        }
        for name, spec in network.items():
            if self.learned_rates != "none" and self.moves(name):
                found[RATE + name] = Spec((self.steps,) if self.learned_rates == "step" else spec.shape, "ones")
        return found

    def moves(self, name: str) -> bool:
        """Whether the inner loop adapts a tensor."""
        return self.adapts(name) and not self._per_step(name)

    def _per_step(self, name: str) -> bool:
        return self.step_norms and is_norm(name)

    def at(self, own: Parameters, step: int) -> Parameters:
        """The network's parameters [T, ...] at a step; steps beyond those trained use the norms of the last one."""
        row = min(step, self.steps)
        return {name: tensor[:, row] if self._per_step(name) else tensor for name, tensor in own.items()}

    def rate(self, parameters: Parameters, name: str, step: int) -> Tensor | float:
        """The rate of a tensor in a step: a number, or one per weight."""
        base = self.beta if name == THETA else self.alpha
        if self.learned_rates == "none":
            return base
        learned = parameters[RATE + name]
        return base * (learned[min(step, self.steps - 1)] if self.learned_rates == "step" else learned)

    def bounded(self, parameters: Parameters, gradients: Parameters, step: int) -> Parameters:
        """The gradients [T, ...] of a step, with theta's shortened for the tasks that would move it too far.

        By how much they are shortened counts as a constant in the outer gradient.
        """
        if self.learned_rates == "none" or THETA not in gradients or not self.moves(THETA):
            return gradients
        theta = gradients[THETA]
        moves = (self.rate(parameters, THETA, step) * theta).detach().flatten(1)  # [T, 2 * edges * operations]
        share = self.furthest_theta / moves.abs().amax(1).clamp_min(self.furthest_theta)  # [T], 1 for most
        return {**gradients, THETA: theta * share.view(-1, *[1] * (theta.ndim - 1))}

    def step(self, parameters: Parameters, own: Parameters, gradients: Parameters, step: int) -> Parameters:
        """One step of every task's own parameters [T, ...]; gradients: as `bounded` returns them."""
        return {
            name: tensor - self.rate(parameters, name, step) * gradients[name] if self.moves(name) else tensor
            for name, tensor in own.items()
        }

    def weights(self, progress: float) -> list[float]:
        """The outer loss's weight of the query loss after each step (Antoniou et al., 2019, multi-step loss).

        All steps weigh the same at first; then the earlier ones fall to 0.03 of that share, and from `multi_step` of
        the training on only the last one counts.
        """
        steps = self.steps
        if progress >= self.multi_step:
            return [0.0] * (steps - 1) + [1.0]
        earlier = max(1 - progress / self.multi_step, 0.03) / steps
        return [earlier] * (steps - 1) + [1 - (steps - 1) * earlier]


@dataclass(frozen=True)
class Unrolled(SteppingLearner):
    """Learns through an InnerLoop: first order by any engine, second order by automatic differentiation in PyTorch.

    beyond: what the outer loss of second order has besides the query images' cross-entropy, for each task [T], from its
    adapted parameters, the query images, and the support images where norms take their moments from these.
    """

    engine: Engine
    network: Network
    loop: InnerLoop
    by_support: bool = False
    beyond: Callable[[Parameters, Tensor, Tensor | None], Tensor] | None = None

    def _network_part(self, parameters: Parameters, tasks: int) -> Parameters:
        return for_tasks({name: parameters[name] for name in self.network.specs()}, tasks)

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        own, losses = self._network_part(parameters, len(support[0])), []
        for step in range(self.loop.test_steps):
            found = self.engine.gradients(self.network, self.loop.at(own, step), support)
            losses.append(found.losses)
            own = self.loop.step(parameters, own, self.loop.bounded(parameters, found.gradients, step), step)
        adapted = self.loop.at(own, self.loop.test_steps)
        losses.append(task_losses(self.engine.predict(self.network, adapted, support[0]), support[1]))
        return Adapted(adapted, torch.stack(losses, dim=1))

    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        own = self._network_part(parameters, len(support[0]))
        for step in range(self.loop.test_steps):
            at = self.loop.at(own, step)
            yield at
            found = self.engine.gradients(self.network, at, support)
            own = self.loop.step(parameters, own, self.loop.bounded(parameters, found.gradients, step), step)
        yield self.loop.at(own, self.loop.test_steps)

    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        return self.loop.step(parameters, own, gradients, self.loop.test_steps - 1) | (
            {THETA: own[THETA]} if THETA in own else {}
        )

    def rate(self, parameters: Parameters, name: str, step: int) -> Tensor | float:
        return self.loop.rate(parameters, name, step)

    def in_training(self) -> Unrolled:
        return replace(self, loop=replace(self.loop, test_steps=self.loop.steps))

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        support, query = (batch.support_x, batch.support_y), (batch.query_x, batch.query_y)
        weights = self.loop.weights(progress)
        if progress >= self.loop.second_order_from:
            return self.by_autograd(parameters, support, query, weights, create_graph=True)
        return self._first_order(parameters, support, query, weights)

    def _first_order(
        self, parameters: Parameters, support: Labelled, query: Labelled, weights: list[float]
    ) -> MetaGradient:
        """Inner gradients count as constants: the outer gradient of w is the query's at the adapted point, and that of
        a rate is minus the product of its step's gradient with it.
        """
        own = self._network_part(parameters, len(support[0]))
        total = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        taken: list[Parameters] = []
        last: Gradients | None = None
        for step, weight in enumerate(weights):
            found = self.engine.gradients(self.network, self.loop.at(own, step), support)
            taken.append(self.loop.bounded(parameters, found.gradients, step))
            own = self.loop.step(parameters, own, taken[-1], step)
            if weight:
                measured = support[0] if self.by_support else None
                last = self.engine.gradients(self.network, self.loop.at(own, step + 1), query, measured)
                self._add(total, parameters, last.gradients, taken, weight)
        assert last is not None
        return MetaGradient(total, last.losses, task_accuracies(last.logits, query[1]))

    def _add(
        self, total: Parameters, parameters: Parameters, query: Parameters, taken: list[Parameters], weight: float
    ) -> None:
        """Add what the query loss after the steps `taken` contributes; gradients are [T, ...] each."""
        for name, gradient in query.items():
            summed = weight * gradient.sum(0)
            if total[name].shape != summed.shape:
                total[name][len(taken)] += summed
                continue
            total[name] += summed
            if RATE + name not in total:
                continue
            base = self.loop.beta if name == THETA else self.loop.alpha
            for step, before in enumerate(taken):
                product = weight * base * (before[name] * gradient)
                if self.loop.learned_rates == "step":
                    total[RATE + name][step] -= product.sum()
                else:
                    total[RATE + name] -= product.sum(0)

    def by_autograd(
        self,
        parameters: Parameters,
        support: Labelled,
        query: Labelled,
        weights: list[float],
        *,
        create_graph: bool,
    ) -> MetaGradient:
        """The gradient of the weighted query losses with respect to all meta-parameters, through the inner steps
        (`create_graph`) or with their gradients as constants.
        """
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
        own = self._network_part(leaves, len(support[0]))
        loss = support[0].new_zeros(())
        for step, weight in enumerate(weights):
            moving = {name: tensor for name, tensor in self.loop.at(own, step).items() if self.loop.moves(name)}
            before = task_losses(self.network.logits(self.loop.at(own, step), support[0]), support[1])
            grads = torch.autograd.grad(
                before.sum(),
                list(moving.values()),
                create_graph=create_graph,
                retain_graph=True,
                materialize_grads=True,
            )
            gradients = self.loop.bounded(leaves, dict(zip(moving, grads, strict=True)), step)
            own = self.loop.step(leaves, own, gradients, step)
            if weight:
                at = self.loop.at(own, step + 1)
                logits = logits_of(self.network, at, query[0], support[0] if self.by_support else None)
                losses = task_losses(logits, query[1])
                loss = loss + weight * losses.sum()
                if self.beyond is not None:
                    loss = loss + weight * self.beyond(at, query[0], support[0] if self.by_support else None).sum()
        found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        return MetaGradient(
            dict(zip(leaves, found, strict=True)), losses.detach(), task_accuracies(logits.detach(), query[1])
        )
