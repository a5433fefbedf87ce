"""CAVIA (Zintgraf et al., "Fast Context Adaptation via Meta-Learning", ICML 2019): a task adapts a few context
parameters, the input of a layer that conditions the network; the network itself is the same for all tasks.

The context phi, 100 numbers, is zero at the start of every task. An affine map of it scales and shifts the channels of
4CONV's third block (FiLM), between batch norm and ReLU:

    y <- gamma y + beta,   gamma = A phi + a,   beta = B phi + b
    phi_0 = 0,  phi_t = phi_(t-1) - alpha dL(phi_(t-1), w; support)/dphi,   t = 1, ..., M

The outer loss L(phi_M, w; query) moves w: all of 4CONV with its linear layer, A, a, B and b. Published are M = 2 steps
at the rate 1, outer gradients of second order, and Adam at 1e-3; its falling outer rate is left out.

4CONV has 32,901 weights on 84 x 84 pixels in colour, and A, a, B and b 6,464 more. a starts around 1, not around 0, so
that the block begins as 4CONV's. Batch norm has a gain and a bias of its own before gamma and beta, which take them in:
a task's network is 4CONV with a third block of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.errors import SettingsError
from tnas_cli.methods.about import OWN
from tnas_cli.methods.fixed_head import with_way
from tnas_cli.methods.learner import AdaptingLearner, Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.moments import logits_of
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks

CONTEXT = 100
#: The block that the context conditions.
BLOCK = "block.2"
GAMMA, BETA = "film.gamma", "film.beta"


@dataclass(frozen=True)
class Cavia(AdaptingLearner):
    """`steps` steps of the context at the rate `alpha` in meta-training, `test_steps` on a new task."""

    engine: Engine
    network: FourConv
    alpha: float
    steps: int
    test_steps: int
    second_order: bool = True
    answers_by_support: bool = False

    @property
    def by_support(self) -> bool:
        return self.answers_by_support

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
        course = self._course(leaves, batch.support, create_graph=self.second_order)
        own = [own for own, _ in islice(course, self.steps + 1)][-1]
        logits = logits_of(self.network, own, batch.query_x, batch.support_x if self.by_support else None)
        losses = task_losses(logits, batch.query_y)
        found = torch.autograd.grad(losses.sum(), list(leaves.values()))
        accuracy = task_accuracies(logits.detach(), batch.query_y)
        return MetaGradient(dict(zip(leaves, found, strict=True)), losses.detach(), accuracy)

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        found = list(islice(self._course(parameters, support, create_graph=False), self.test_steps + 1))
        own = {name: tensor.detach() for name, tensor in found[-1][0].items()}
        return Adapted(own, torch.stack([losses.detach() for _, losses in found], dim=1))

    def _course(
        self, parameters: Parameters, support: Labelled, *, create_graph: bool
    ) -> Iterator[tuple[Parameters, Tensor]]:
        """Every task's own 4CONV [T, ...] and its support losses [T], at the start and after each step."""
        x, y = support
        w = for_tasks(parameters, len(x))
        phi = x.new_zeros(len(x), CONTEXT).requires_grad_()
        while True:
            own = conditioned(w, phi)
            losses = task_losses(self.network.logits(own, x), y)
            yield own, losses
            (gradient,) = torch.autograd.grad(losses.sum(), [phi], create_graph=create_graph, retain_graph=True)
            phi = phi - self.alpha * gradient


def conditioned(w: Parameters, phi: Tensor) -> Parameters:
    """4CONV's parameters [T, ...] for contexts phi [T, 100]: gamma (gain y + bias) + beta is a gain and a bias."""
    gamma, beta = (
        torch.baddbmm(w[f"{name}.bias"].unsqueeze(2), w[f"{name}.weight"], phi.unsqueeze(2)).squeeze(2)  # [T, F]
        for name in (GAMMA, BETA)
    )
    own = {name: tensor for name, tensor in w.items() if not name.startswith("film.")}
    gain, bias = own[f"{BLOCK}.gain"], own[f"{BLOCK}.bias"]
    return {**own, f"{BLOCK}.gain": gamma * gain, f"{BLOCK}.bias": gamma * bias + beta}


def known(network: Network) -> FourConv:
    """The network; raises SettingsError for one that has no third block of 4CONV's."""
    if not isinstance(network, FourConv):
        raise SettingsError(
            f"cavia conditions a block of 4CONV, and not a {type(network).__name__}.",
            hint="choose 4conv or 4conv-64, and not --statistics task",
        )
    return network


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """4CONV's weights and those of the conditioning; raises SettingsError for another network."""
    own, fed = known(network), CONTEXT
    width = own.filters
    return own.specs() | {
        f"{GAMMA}.weight": Spec((width, fed), fan_in=fed),
        f"{GAMMA}.bias": Spec((width,), fan_in=fed, centre=1.0),
        f"{BETA}.weight": Spec((width, fed), fan_in=fed),
        f"{BETA}.bias": Spec((width,), fan_in=fed),
    }


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Cavia:
    """Steps as the settings say; raises SettingsError for another network than 4CONV."""
    how = (settings.alpha_inner, settings.inner_steps, settings.test_steps)
    return Cavia(engine, known(network), *how, settings.order == "second", settings.by_support)


METHOD = TrainMethod(
    about=OWN["cavia"][0],
    shapes=shapes,
    learner=learner,
    with_way=with_way,
)
