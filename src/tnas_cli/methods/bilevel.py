"""Bilevel programming (Franceschi et al., 2018): a representation for all tasks, and a linear layer that every task
learns from zero.

With the features h of the network without its last linear layer, whose weights lambda are the outer variable, and the
linear layer W of a task, the inner problem is logistic regression on the support features:

    W_0 = 0,  W_t = W_(t-1) - alpha dL(W_(t-1) h_lambda; support)/dW,  t = 1, ..., T
    outer loss  f(lambda) = sum over the tasks of L(W_T h_lambda; query)

Its gradient goes through the T steps and through the features of both sets (reverse mode), so it is of second order.
That is ANIL without a learned start of the linear layer. T = 5 and alpha = 0.1 as published; the authors' library
learns alpha as one more outer variable, here `--learned-rates step` does, once per tensor and step.

It stands for the row Bilevel of Tables 3 and 6. The published network of four blocks has 28,640 weights before the
linear layer, on 84 x 84 pixels in colour: its convolutions have no biases and its batch norms no gains; 4CONV has 256
of these. The published 50.54 and 64.53% belong to a residual network of 3,805,696 weights. As in every method here,
batch norm takes its moments from the images at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from tnas_cli.engines.interface import Adapted, Engine, MetaGradient, Network
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.about import OWN
from tnas_cli.methods.anil import inner_loop_of
from tnas_cli.methods.head import is_head
from tnas_cli.methods.learner import Labelled, SteppingLearner
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.unrolled import Unrolled
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.parameters import Parameters, Spec


@dataclass(frozen=True)
class FromZero(SteppingLearner):
    """ANIL's inner loop, whose linear layer starts at zero in every task and is no meta-parameter."""

    engine: Engine
    network: Network
    anil: Unrolled

    @property
    def by_support(self) -> bool:
        return self.anil.by_support

    def meta_gradient(self, parameters: Parameters, batch: TaskBatch, progress: float) -> MetaGradient:
        found = self.anil.meta_gradient(self._whole(parameters), batch, progress)
        return replace(found, gradients={name: found.gradients[name] for name in parameters})

    def adapt(self, parameters: Parameters, support: Labelled) -> Adapted:
        return self.anil.adapt(self._whole(parameters), support)

    def course(self, parameters: Parameters, support: Labelled) -> Iterator[Parameters]:
        return self.anil.course(self._whole(parameters), support)

    def move_w(self, parameters: Parameters, own: Parameters, gradients: Parameters) -> Parameters:
        return self.anil.move_w(self._whole(parameters), own, gradients)

    def rate(self, parameters: Parameters, name: str, step: int) -> Tensor | float:
        return self.anil.rate(parameters, name, step)

    def in_training(self) -> FromZero:
        return replace(self, anil=self.anil.in_training())

    def _whole(self, parameters: Parameters) -> Parameters:
        """The meta-parameters, and a linear layer of zeros."""
        like = next(iter(parameters.values()))
        zeros = {name: like.new_zeros(spec.shape) for name, spec in self.network.specs().items() if is_head(name)}
        return parameters | zeros


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights without the last linear layer, and what the inner loop learns in addition."""
    found = inner_loop_of(settings).shapes(network.specs())
    return {name: spec for name, spec in found.items() if not is_head(name)}


def learner(engine: Engine, network: Network, settings: TrainSettings) -> FromZero:
    """The whole gradient, or of first order if the settings say so: then the features learn by the query set alone."""
    return FromZero(engine, network, Unrolled(engine, network, inner_loop_of(settings), settings.by_support))


METHOD = TrainMethod(
    about=OWN["bilevel"][0],
    shapes=shapes,
    learner=learner,
)
