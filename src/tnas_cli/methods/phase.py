"""A phase before the meta-learning: the network learns to tell all training classes apart (Sun et al., 2019).

It is ordinary classification by a linear layer over all training classes, which is not used afterwards. As in MTL's
code for ResNet-12, the batches have 64 images and Adam's rate is 1e-3, halved after half of the phase. The weights at
its end are taken; neither validation nor test classes take part.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch

from tnas_cli.engines.interface import Network
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.labelled_images import Batches
from tnas_cli.errors import DivergedError
from tnas_cli.methods.all_classes import logits_of_all_classes
from tnas_cli.methods.head import is_head
from tnas_cli.methods.meta_learn import MetaState, PhaseState
from tnas_cli.methods.streams import LabelledBatches
from tnas_cli.runs.events import Progress
from tnas_cli.spaces.parameters import Parameters, for_tasks
from tnas_cli.update.outer import AdamRule, adam, scale_rates, step

STAGE = "pre-training"

#: The largest share of `--hours` that the phase takes.
SHARE_OF_TIME = 0.5


def adam_of_the_phase(weights: Parameters) -> torch.optim.Optimizer:
    """Adam at the published rate."""
    return adam(weights, {}, AdamRule(1e-3))


@dataclass(frozen=True)
class Phase:
    """`settings.pretrain` batches; after half of them the optimiser's rate is halved."""

    batches: LabelledBatches = field(default_factory=LabelledBatches)
    optimiser: Callable[[Parameters], torch.optim.Optimizer] = adam_of_the_phase

    def start(self, network: Network, parameters: Parameters, head: Parameters) -> PhaseState:
        """Before the first batch of a phase that moves `parameters` and the layer over all classes."""
        return PhaseState(head, self.optimiser(_body(network, parameters) | head))


def _body(network: Network, parameters: Parameters) -> Parameters:
    """Those of the meta-parameters that the phase moves: the network's but for its linear layer."""
    specs = network.specs()
    return {n: tensor for n, tensor in parameters.items() if n in specs and not is_head(n)}


def pretrain(network: Network, state: MetaState, batches: Batches, count: int, seconds: float) -> Iterator[Progress]:
    """The rest of a phase of `count` batches, or for a share of `seconds`; changes `state` in place.

    Yields after every batch; `state` can be kept there and goes on from there. Raises DivergedError for a loss that is
    not finite.
    """
    began, limit = time.monotonic() - state.phase_seconds, SHARE_OF_TIME * seconds
    while state.phase is not None:
        phase, done = state.phase, max(state.phase.done / count, state.phase_seconds / limit)
        if done >= 1:
            state.phase = None
            return
        scale_rates(phase.optimiser, 0.5 if done >= 0.5 else 1.0)
        loss, accuracy = _one_step(network, phase, state.parameters, batches)
        phase.done += 1
        state.phase_seconds = time.monotonic() - began
        yield Progress(STAGE, phase.done, _expected(phase.done, count, state.phase_seconds / limit), "batches",
                       {"loss": loss, "accuracy": accuracy})  # fmt: skip


def _one_step(network: Network, phase: PhaseState, parameters: Parameters, batches: Batches) -> tuple[float, float]:
    """Loss and accuracy on a batch, before the step along its gradient."""
    x, y = (tensor.unsqueeze(0) for tensor in batches.batch(phase.done))
    weights = _body(network, parameters) | phase.head
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
    logits = logits_of_all_classes(network, for_tasks(leaves, 1), x)
    loss = task_losses(logits, y).sum()
    if not math.isfinite(float(loss.detach())):
        raise DivergedError(
            f"pre-training diverged: the loss of batch {phase.done + 1} is {float(loss.detach())}.",
            hint="look at the data set's normalisation, and prepare it again",
            outer=True,
        )
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    step(phase.optimiser, weights, dict(zip(leaves, gradients, strict=True)))
    return float(loss.detach()), float(task_accuracies(logits.detach(), y))


def _expected(done: int, count: int, share: float) -> int:
    """How many batches there will be at the end, judging by the speed so far."""
    return count if share == 0 else max(done, min(count, round(done / share)))
