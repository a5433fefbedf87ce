"""BASE with a softmax relaxation (Shaw et al., 2018), in our reading: a start of w and theta from which few steps lead
to a task's own, and the super-network itself answers.

Known, from the publication's abstract, an article about it and the code of its final networks: a meta-learned start of
weights and architecture logits, from which a task's own follow by a few gradient steps; the architecture is a softmax
or a Gumbel-softmax. Nothing published describes the search network, steps, rates, temperatures, outer update or
evaluation of the few-shot experiment whose numbers Tables 3 and 6 quote. So all of the following is our reading, and
those numbers are no target.

The super-network is that of T-NAS. In a training task, step t = 1 ... M is Equation 7 on mini-batch B_t, at the rates
alpha_inner and beta_inner:

    (theta_t, w_t) = (theta_(t-1), w_(t-1)) - (beta, alpha) dL(r(theta_(t-1)), w_(t-1); B_t) / d(theta, w)

B_1 is the support set. The later mini-batches are as many query images of each class, one after another, and begin
again after the last one. r is the identity here: the network's shares are softmax(theta). The Gumbel-softmax relaxes

    r(theta) = (theta + G) / tau,   G = -log(-log U),   U uniform from 0 to 1, for each number of theta

with the temperature tau = 0.1^progress, from 1 to 0.1. G comes from the seed and the task's images: it is the same in
any process and after a stop. One draw holds for all steps of a task. With another one in each step the steps of a task
move different networks, and small searches learned nothing.

The shared start moves towards where the tasks end, as Reptile's does (Nichol et al., 2018): the outer gradient is
(theta, w) - (theta_M, w_M), moved along by Adam at the outer rates. A new task takes `test_steps` steps of Equation 7
on its support set, without noise, and the network answers with softmax(theta), which is also the mean of the Gumbel
sample's limit at tau = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tnas_cli.engines.interface import Engine, Gradients, InnerRule, MetaGradient
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import task_noise
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import GradientSteps, Labelled, OnGradientSteps
from tnas_cli.methods.method import SearchMethod
from tnas_cli.methods.reptile import in_turn, mini_batch
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA, Parameters, for_tasks
from tnas_cli.spaces.space import SearchedNetwork
from tnas_cli.update import inner

#: The temperature at the end of a training; it begins at 1.
COLDEST = 0.1


@dataclass(frozen=True)
class Gumbel:
    """The Gumbel-softmax relaxation, whose noise comes from the seed and a task's images."""

    seed: int

    def noise(self, images: Tensor, theta: Tensor) -> Tensor:
        """G of every task and number of theta [T, *theta], for tasks with images [T, N, C, H, W]."""
        drawing = task_noise.generators(images, self.seed, "gumbel noise")
        return gumbel(task_noise.uniform(drawing, tuple(theta.shape), theta))


def gumbel(u: Tensor) -> Tensor:
    """Numbers that are uniform from 0 to 1 -> Gumbel-distributed ones."""
    return -(-u.clamp(min=torch.finfo(u.dtype).tiny).log()).log()


def temperature(progress: float) -> float:
    """tau by the share of the training that is done."""
    return float(COLDEST ** min(progress, 1.0))


@dataclass(frozen=True)
class Base(OnGradientSteps):
    """The super-network at a task's own w and theta. steps: those of Equation 7, and what a new task does. relaxation
    None: the softmax alone."""

    network: SearchedNetwork
    relaxation: Gumbel | None = None

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        """The start minus where tasks end, summed; losses and accuracies are those of the last step's mini-batch."""
        x, y = (torch.cat(pair, dim=1) for pair in zip(batch.support, batch.query, strict=True))
        images, size, rule = in_turn((x, y), batch.way), batch.support_y.shape[1], self.steps.rule
        own, rates = for_tasks(parameters, len(x)), rule.rates(parameters)
        noise = None if self.relaxation is None else self.relaxation.noise(x, parameters[THETA])
        for step in range(rule.steps):
            x, y = mini_batch(images, step, size)
            found = self.gradients(own, (x, y), noise, temperature(progress))
            own = inner.descend(own, found.gradients, rates)
        gradients = {name: (parameters[name] - own[name]).sum(0) for name in parameters}
        return MetaGradient(gradients, found.losses, task_accuracies(found.logits, y))

    def gradients(self, own: Parameters, labelled: Labelled, noise: Tensor | None, tau: float) -> Gradients:
        """Losses and gradients at each task's own parameters [T, ...]; noise [T, *theta]: of a Gumbel sample at tau."""
        if noise is None:
            return self.engine.gradients(self.network, own, labelled)
        relaxed = {**own, THETA: (own[THETA] + noise) / tau}
        found = self.engine.gradients(self.network, relaxed, labelled)
        return replace(found, gradients={**found.gradients, THETA: found.gradients[THETA] / tau})


def learner_with(relaxation: Gumbel | None, engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> Base:
    """A learner at the settings' rates."""

    def rule(steps: int) -> InnerRule:
        return InnerRule(settings.alpha_inner, settings.beta_inner, steps)

    both = rule(settings.inner_steps), rule(settings.test_steps)
    return Base(engine, network, GradientSteps(engine, network, *both, by_support=settings.by_support), relaxation)


def learner(engine: Engine, network: SearchedNetwork, settings: SearchSettings) -> Base:
    """The softmax alone."""
    return learner_with(None, engine, network, settings)


METHOD = SearchMethod(
    about=OWN["base-softmax"][0],
    learner=learner,
)
