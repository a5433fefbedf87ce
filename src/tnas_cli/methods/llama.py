"""LLAMA (Grant et al., 2018): MAML as hierarchical Bayes, with a Laplace approximation around the adapted weights.

A task's weights phi are those after MAML's steps from theta on the support set, which leave batch norms alone. The
outer loss of a task is

    -log p(query | phi) + eta / 2 log det H,   eta = 1e-6

with the mean log-likelihood over the query images, and H the Fisher information of phi, by K-FAC (Martens & Grosse,
2015): one block A (x) G for each layer, so that log det H is the sum over the layers of

    dim(G) log det A + dim(A) log det G
    A = mean over images and positions of a a',  a = what the layer sees at a position, and a 1 for the bias
    G = mean over images of the sum over positions of g g',  g = d log p(y | x) / d (the layer's output)

The gradient of all of it is exact: through phi, and so through MAML's steps, and through A and G. Batch norm's gains
and biases neither adapt nor have a block. At a test LLAMA answers as MAML does
whose steps leave batch norms alone. 4CONV with 64 filters has the published
121,093 weights. It stands for the row LLAMA of Tables 3 and 6.

What the publication leaves open is read here as follows. The labels y are the model's own, by their exact expectation
over all classes (the true Fisher information). The moments of batch norm are held fixed while g is found, so that
images do not depend on each other. A and G get 1e-3 times the mean of their diagonal added to it, without which G of
the last layer is singular. The prior log p(phi | theta) of the formula is left out, as in the published algorithm. Rate
and number of inner steps are those of MAML here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Engine, Network
from tnas_cli.errors import SettingsError
from tnas_cli.methods.about import OWN
from tnas_cli.methods.method import TrainMethod
from tnas_cli.methods.unrolled import InnerLoop, Unrolled, is_norm
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.conv_block import activated, convolved
from tnas_cli.spaces.four_conv import BLOCKS, FourConv
from tnas_cli.spaces.moments import moments_given, moments_kept
from tnas_cli.spaces.parameters import Parameters, Spec
from tnas_cli.spaces.stem import linear

ETA = 1e-6
DAMPING = 1e-3

#: Added to every diagonal, so that the factors of a layer without any activity have a determinant.
LEAST = 1e-30


@dataclass(frozen=True)
class Layer:
    """What passes a layer: seen [T, N, positions, dim(A)] with the ones, and its output [T, dim(G), N, positions]."""

    seen: Tensor
    output: Tensor


@dataclass(frozen=True)
class Laplace:
    """eta / 2 log det H of tasks at their adapted weights."""

    network: FourConv
    eta: float = ETA

    def __call__(self, own: Parameters, x: Tensor, support_x: Tensor | None) -> Tensor:
        """One number per task [T], at the weights [T, ...], for the images x [T, N, C, H, W]. Batch norm takes its
        moments from x, or from support_x where it is given."""
        with moments_kept() as moments:
            self.network.logits(own, x if support_x is None else support_x)
        with moments_given(moments):
            logits, layers = passed(own, x)
        found = x.new_zeros(len(x))
        for layer, output_factor in zip(layers, output_factors(logits, layers), strict=True):
            seen = layer.seen.flatten(1, 2)  # [T, N * positions, dim(A)]
            input_factor = torch.bmm(seen.mT, seen) / seen.shape[1]
            found = found + output_factor.shape[1] * log_det(input_factor)
            found = found + input_factor.shape[1] * log_det(output_factor)
        return self.eta / 2 * found


def passed(own: Parameters, x: Tensor) -> tuple[Tensor, list[Layer]]:
    """4CONV's logits [T, N, way] of x [T, N, C, H, W], and its five layers on the way, which the logits depend on."""
    y, layers = x.transpose(1, 2), []
    for block in range(BLOCKS):
        tasks, channels, images = y.shape[:3]
        patches = F.unfold(y.transpose(1, 2).flatten(0, 1), 3, padding=1).mT  # [T * N, positions, C * 9]
        seen = _with_ones(patches.reshape(tasks, images, -1, 9 * channels))
        # The output through a view: what follows depends on the tensor that is noted.
        output = convolved(own, f"block.{block}", y).contiguous().flatten(3)
        layers.append(Layer(seen, output))
        y = activated(own, f"block.{block}", output.view(tasks, -1, *y.shape[2:]))
    features = y.transpose(1, 2).flatten(2)  # [T, N, F]
    output = linear(own, features).mT.unsqueeze(3)  # [T, way, N, 1]
    layers.append(Layer(_with_ones(features.unsqueeze(2)), output))
    return output.squeeze(3).mT, layers


def output_factors(logits: Tensor, layers: list[Layer]) -> list[Tensor]:
    """G of every layer [T, dim(G), dim(G)], over all labels that the model may give the images."""
    log_p = logits.log_softmax(-1)  # [T, N, way]
    factors = [layer.output.new_zeros(()) for layer in layers]
    for label in range(logits.shape[-1]):
        log_p_label = log_p[..., label]
        found = torch.autograd.grad(log_p_label.sum(), [layer.output for layer in layers], create_graph=True)
        p = log_p_label.exp()[:, None, :, None] / logits.shape[1]  # [T, 1, N, 1]
        for number, g in enumerate(found):  # [T, dim(G), N, positions]
            factors[number] = factors[number] + torch.bmm((p * g).flatten(2), g.flatten(2).mT)
    return factors


def log_det(factor: Tensor) -> Tensor:
    """log det [T] of damped factors [T, D, D], in double precision."""
    factor = factor.double()
    damped = DAMPING * factor.diagonal(dim1=1, dim2=2).mean(1) + LEAST  # [T]
    identity = torch.eye(factor.shape[1], dtype=factor.dtype, device=factor.device)
    root = torch.linalg.cholesky_ex(factor + damped[:, None, None] * identity).L
    found: Tensor = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1)
    return found


def _with_ones(seen: Tensor) -> Tensor:
    return torch.cat([seen, seen.new_ones(*seen.shape[:-1], 1)], dim=-1)


def adapts(name: str) -> bool:
    """All but batch norm's gains and biases."""
    return not is_norm(name)


def known(network: Network) -> FourConv:
    """The network; raises SettingsError for one whose layers' curvature is not known."""
    if not isinstance(network, FourConv):
        raise SettingsError(
            f"llama knows the curvature of 4CONV's layers, not of a {type(network).__name__}'s.",
            hint="choose 4conv or 4conv-64, and not --statistics task",
        )
    return network


def shapes(network: Network, settings: TrainSettings) -> dict[str, Spec]:
    """The network's weights; raises SettingsError for another network than 4CONV."""
    return known(network).specs()


def learner(engine: Engine, network: Network, settings: TrainSettings) -> Unrolled:
    """MAML of second order, with the Laplace term; raises SettingsError for another network than 4CONV."""
    loop = InnerLoop(settings.alpha_inner, settings.inner_steps, settings.test_steps)
    loop = replace(loop, adapts=adapts, second_order_from=0.0)
    return Unrolled(engine, network, loop, settings.by_support, beyond=Laplace(known(network)))


METHOD = TrainMethod(
    about=OWN["llama"][0],
    shapes=shapes,
    learner=learner,
)
