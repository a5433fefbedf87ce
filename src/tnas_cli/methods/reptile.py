"""Reptile (Nichol et al., 2018), by which Auto-Meta trains its networks: the start moves towards where tasks end.

A task i takes k steps of Adam (beta_1 = 0) on mini-batches B_1, B_2, ... of its images:

    v_t = beta_2 v_(t-1) + (1 - beta_2) g_t^2,   g_t = dL(w_(t-1); B_t)/dw,   v_0 = 0
    w_t = w_(t-1) - alpha g_t / (sqrt(v_t / (1 - beta_2^t)) + 1e-8)

and the outer step is w~ <- w~ + eps (mean of the w_k - w~): SGD at the rate eps on the gradient w~ - w_k. There is no
query loss, so a training task's query images are images to learn from like its support images: with `--query 15` a
class has 15 more. A new task takes `test_steps` steps on its support images.

Published for mini-ImageNet, 5-way (openai/supervised-reptile): alpha 1e-3, mini-batches of 10, 8 inner steps, 50 at
test with mini-batches of 15, 15 images of a class, eps from 1 to 0, 5 tasks a step. Here eps falls along a cosine
instead of a line. Every task begins with v_0 = 0. Mini-batches take the images of the classes in turn, in the task's
own order, where the authors shuffle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, MetaGradient, Network
from tnas_cli.engines.torch_engine import task_accuracies
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.learner import AdaptingLearner, Labelled
from tnas_cli.methods.method import TrainMethod
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, for_tasks

#: Images of a mini-batch in meta-training, and on a new task.
BATCH, TEST_BATCH = 10, 15

BETA_2, EPSILON = 0.999, 1e-8


@dataclass(frozen=True)
class Reptile(AdaptingLearner):
    """`steps` steps at the rate `alpha` in meta-training, `test_steps` on a new task."""

    engine: Engine
    network: Network
    alpha: float
    steps: int
    test_steps: int
    answers_by_support: bool = False

    @property
    def by_support(self) -> bool:
        return self.answers_by_support

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        """w~ - w_k summed over the tasks; losses and accuracies are those of the last step's mini-batch."""
        images = torch.cat([batch.support_x, batch.query_x], dim=1)
        labels = torch.cat([batch.support_y, batch.query_y], dim=1)
        own, losses, accuracies = self._steps(parameters, in_turn((images, labels), batch.way), self.steps, BATCH)
        gradients = {name: (parameters[name] - own[name]).sum(0) for name in parameters}
        return MetaGradient(gradients, losses[-1], accuracies)

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        """The loss of each step's mini-batch, and of the first one after the last step."""
        ordered = in_turn(support, self.network.way)
        own, losses, _ = self._steps(parameters, ordered, self.test_steps, TEST_BATCH)
        last = self.engine.gradients(self.network, own, mini_batch(ordered, 0, TEST_BATCH)).losses
        return Adapted(own, torch.stack([*losses, last], dim=1))

    def _steps(
        self, parameters: Parameters, images: Labelled, steps: int, size: int
    ) -> tuple[Parameters, list[Tensor], Tensor]:
        """Every task's own parameters [T, ...] after the steps, its loss at each step [T], and its accuracy on the last
        mini-batch [T]."""
        own = for_tasks(parameters, len(images[0]))
        squares = {name: torch.zeros_like(tensor) for name, tensor in own.items()}
        losses, accuracies = [], torch.empty(0)
        for step in range(1, steps + 1):
            x, y = mini_batch(images, step - 1, size)
            # Not kept: small tensors that outlive a step lie between large ones, whose memory is then not used again.
            found = self.engine.gradients(self.network, own, (x, y))
            losses.append(found.losses)
            accuracies = task_accuracies(found.logits, y)
            moved = {}
            for name, gradient in found.gradients.items():
                squares[name] = BETA_2 * squares[name] + (1 - BETA_2) * gradient * gradient
                scale = (squares[name] / (1 - BETA_2**step)).sqrt() + EPSILON
                moved[name] = own[name] - self.alpha * gradient / scale
            own = {**own, **moved}
        return own, losses, accuracies


def in_turn(images: Labelled, way: int) -> Labelled:
    """Images [T, N, ...] and labels [T, N] in an order in which the classes take turns, each in its own order."""
    x, y = images
    same = y.unsqueeze(2) == y.unsqueeze(1)  # [T, N, N]
    before = torch.tril(same, diagonal=-1).sum(2)  # images of its class in front of each image
    order = (before * way + y).argsort(dim=1)
    tasks = torch.arange(len(y), device=y.device).unsqueeze(1)
    return x[tasks, order], y[tasks, order]


def mini_batch(images: Labelled, step: int, size: int) -> Labelled:
    """The mini-batch number `step`, counted from 0: the next `size` images, beginning again at the end; all images if
    there are fewer than `size`."""
    count = images[0].shape[1]
    size = min(size, count)
    which = torch.arange(step * size, (step + 1) * size, device=images[1].device) % count
    return images[0][:, which], images[1][:, which]


def optimiser(parameters: Parameters, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD at the rate eps."""
    return torch.optim.SGD(list(parameters.values()), lr=settings.alpha_outer)


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Reptile:
    """Steps as the settings say."""
    how = (settings.alpha_inner, settings.inner_steps, settings.test_steps, settings.by_support)
    return Reptile(engine, network, *how)


METHOD = TrainMethod(
    about=OWN["reptile"][0],
    learner=learner,
    optimiser=optimiser,
)
