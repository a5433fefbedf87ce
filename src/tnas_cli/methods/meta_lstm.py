"""Meta-LSTM (Ravi & Larochelle, 2017): an LSTM that learns how weights move is the optimiser inside a task.

The weights theta of the network are the cell state of an LSTM whose step is an update (Equations 2 to 5, Section 3.1).
All coordinates share its numbers; each has a state of its own. With the gradient g_t and the loss L_t of the support
set at theta_(t-1), for every coordinate

    x_t = (p(g_t), p(L_t)),  p(v) = (log|v| / 10, sign v) if |v| >= e^-10, else (-1, e^10 v)
    h_t = LSTM(x_t, h_(t-1))                                 an ordinary LSTM of 20 units, h_0 = 0
    f_t = w_F . (h_t, theta_(t-1), f_(t-1)) + b_F            f_0 = 0
    i_t = w_I . (h_t, theta_(t-1), i_(t-1)) + b_I            i_0 = 0
    theta_t = sigmoid(f_t) theta_(t-1) - sigmoid(i_t) g_t    theta_0 is learned

As in the authors' code f and i reach the next step before their sigmoid. The outer loss is the query set's after the
last step. g and L count as constants (Section 3.3), so an engine computes them, and the outer gradient flows through
theta, h, f and i alone. All numbers start in U(-0.01, 0.01), but b_F in U(4, 5) and b_I in U(-5, -4): slow descent.

Batch norm: a task's running mean and variance start at 0 and 1, and every support pass t = 1, ..., T replaces 90% of
them. Training and transductive answers take the moments of the query images, inductive answers the running ones: as
published, no task sees those of another. The authors' variances divide by the count less one; here they are biased.

Published for one shot: 12 steps on the whole support set, one task per outer step, Adam 1e-3, outer gradients cut at
the norm 0.25. The authors' code divides g by the number of support images once more; here it is the gradient of the
mean loss, as in their equations. It stands for the row Meta-LSTM of Tables 3 and 6: 4CONV has 32,901 weights, and the
LSTM 2,046 numbers, so 34,947 are learned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, MetaGradient, Network
from tnas_cli.engines.parts import in_parts
from tnas_cli.engines.torch_engine import task_accuracies, task_losses
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import divergence
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import Labelled, Learner
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.optimiser import outer_adam
from tnas_cli.methods.running_moments import FittedByRunning, named, running, specs_of_moments
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.lstm import from_input, lstm_specs, lstm_step
from tnas_cli.spaces.moments import Moments, all_tasks, moments_kept
from tnas_cli.spaces.parameters import Parameters, Spec, for_tasks
from tnas_cli.update.outer import cut_at

UNITS, FED = 20, 4
P = 10.0
LSTM, FORGET, ENTER = "optimiser.lstm", "optimiser.forget", "optimiser.enter"

#: The norm at which the outer gradient is cut.
MOST = 0.25

#: 1 / sqrt(fan_in) is the bound of a uniform start: 0.01, and 0.5.
_SMALL, _BIAS = 10_000, 4

#: The optimiser's own numbers: 2,046.
OPTIMISER: dict[str, Spec] = {
    **{name: replace(spec, fan_in=_SMALL) for name, spec in lstm_specs(LSTM, FED, UNITS, UNITS).items()},
    FORGET: Spec((UNITS + 2,), fan_in=_SMALL),
    f"{FORGET}_bias": Spec((1,), fan_in=_BIAS, centre=4.5),
    ENTER: Spec((UNITS + 2,), fan_in=_SMALL),
    f"{ENTER}_bias": Spec((1,), fan_in=_BIAS, centre=-4.5),
}


def preprocessed(v: Tensor) -> Tensor:
    """p(v): two numbers [..., 2] for each number v [...], of moderate size whatever that of v."""
    least = math.exp(-P)
    large = v.abs() >= least
    logs = v.abs().clamp(min=least).log() / P
    return torch.stack([torch.where(large, logs, -1.0), torch.where(large, v.sign(), v / least)], dim=-1)


@dataclass(frozen=True)
class State:
    """The optimiser of every task between two steps: theta, f and i [T, P], h and the LSTM's cell [T, P, units]."""

    theta: Tensor
    f: Tensor
    i: Tensor
    h: Tensor
    cell: Tensor

    @classmethod
    def at(cls, theta: Tensor) -> State:
        """Before the first step from theta [T, P]."""
        nothing = theta.new_zeros(*theta.shape, UNITS)
        return cls(theta, torch.zeros_like(theta), torch.zeros_like(theta), nothing, nothing)

    def stepped(self, w: Parameters, gradients: Tensor, losses: Tensor) -> State:
        """After one update by the gradients [T, P] and losses [T]; w [T, ...] are the optimiser's numbers."""
        of_loss = preprocessed(losses).unsqueeze(1).expand(-1, gradients.shape[1], -1)
        fed = from_input(w, LSTM, torch.cat([preprocessed(gradients), of_loss], dim=-1))  # [T, P, 4 * units]
        h, cell = lstm_step(w, LSTM, fed, self.h, self.cell)

        def gate(name: str, before: Tensor) -> Tensor:
            of_h, of_theta, of_before = torch.split(w[name], [UNITS, 1, 1], dim=1)
            said = torch.bmm(h, of_h.unsqueeze(2)).squeeze(2)  # [T, P]
            return said + of_theta * self.theta + of_before * before + w[f"{name}_bias"]

        f, i = gate(FORGET, self.f), gate(ENTER, self.i)
        return State(f.sigmoid() * self.theta - i.sigmoid() * gradients, f, i, h, cell)


@dataclass(frozen=True)
class MetaLSTM(Learner):
    """Learns the optimiser's numbers and the weights that it starts from."""

    engine: Engine
    network: Network
    steps: int
    test_steps: int
    by_support: bool = False

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
        *_, (theta, _) = self._course(leaves, batch.support, self.steps)
        measured = batch.support_x if self.by_support else None
        query = (batch.query_x, batch.query_y)
        found = self.engine.gradients(self.network, self._weights(theta.detach()), query, measured)
        grads = torch.autograd.grad(theta, list(leaves.values()), self._flat(found.gradients))
        gradients = dict(zip(leaves, grads, strict=True))
        return MetaGradient(gradients, found.losses, task_accuracies(found.logits, query[1]))

    def fit(self, parameters: Parameters, support: Labelled) -> FittedByRunning:
        """Raises DivergedError for the first task with a support loss that is not finite."""
        moments: list[Moments] = []
        losses = []
        fixed = {name: tensor.detach() for name, tensor in parameters.items()}
        for theta, loss in self._course(fixed, support, self.test_steps):
            weights = self._weights(theta)
            if loss is None:  # after the last step
                loss = task_losses(self.engine.predict(self.network, weights, support[0]), support[1])
            else:
                moments = running(moments, self._moments(weights, support[0]))
            losses.append(loss)
        lost = torch.stack(losses, dim=1)
        if not bool(lost.isfinite().all()):
            raise divergence.in_losses(lost).advised("lower --alpha-outer, or take fewer inner steps")
        return self.fitted(weights | named(moments), support)

    def fitted(self, own: Parameters, support: Labelled) -> FittedByRunning:
        return FittedByRunning(self.engine, self.network, own, support, self.by_support)

    def _course(self, parameters: Parameters, support: Labelled, steps: int) -> Iterator[tuple[Tensor, Tensor | None]]:
        """theta [T, P] before each step with its support loss [T], and after the last one without."""
        tasks = len(support[0])
        w = for_tasks({name: parameters[name] for name in OPTIMISER}, tasks)
        state = State.at(self._flat(for_tasks({name: parameters[name] for name in self.network.specs()}, tasks)))
        for _ in range(steps):
            found = self.engine.gradients(self.network, self._weights(state.theta.detach()), support)
            yield state.theta, found.losses
            state = state.stepped(w, self._flat(found.gradients), found.losses)
        yield state.theta, None

    def _moments(self, weights: Parameters, x: Tensor) -> list[Moments]:
        """Those of every norm in a pass of the images [T, N, C, H, W]."""

        @torch.no_grad()
        def part(of: slice) -> list[Moments]:
            with moments_kept() as kept:
                self.network.logits({name: tensor[of] for name, tensor in weights.items()}, x[of])
            return kept

        return all_tasks(in_parts(part, x))

    def _flat(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The network's weights [T, ...] as one row per task [T, P]."""
        return torch.cat([weights[name].flatten(1) for name in self.network.specs()], dim=1)

    def _weights(self, theta: Tensor) -> Parameters:
        """The rows [T, P] as the network's weights [T, ...]."""
        specs = self.network.specs()
        parts = torch.split(theta, [math.prod(spec.shape) for spec in specs.values()], dim=1)
        return {name: part.reshape(-1, *specs[name].shape) for name, part in zip(specs, parts, strict=True)}


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The optimiser's numbers, and the weights that a task starts from."""
    return OPTIMISER | network.specs()


def own(network: Network, settings: TrainSettings, size: int) -> dict[str, Spec]:
    """A task's weights and the running moments of its norms."""
    return network.specs() | specs_of_moments(network, size)


def optimiser(parameters: Parameters, settings: TrainSettings) -> torch.optim.Optimizer:
    """Adam on an outer gradient that is cut at the norm 0.25."""
    return cut_at(outer_adam(parameters, settings), MOST)


METHOD = TrainMethod(
    about=OWN["meta-lstm"][0],
    shapes=shapes,
    own=own,
    optimiser=optimiser,
    learner=lambda engine, network, settings: MetaLSTM(
        engine, network, settings.inner_steps, settings.test_steps, settings.by_support
    ),
)
