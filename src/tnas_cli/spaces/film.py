"""TADAM's task embedding network (Oreshkin et al., 2018): for every convolution of ResNet-12 a scale and a shift.

From a task's vector t (width 512) two networks compute g and h, F numbers each for a convolution with F filters:

    u1 = swish(W1 t + b1),  u2 = swish(W2 u1 + b2 + u1),  g or h = W3 u2 + b3 + u2
    beta = beta0 g,  gamma = gamma0 h + 1

with scalars beta0 and gamma0 for each convolution, which start at 0. They have 7,144,344 weights in all. Where exactly
the activations stand between the layers is our reading.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.spaces.parameters import Parameters
from tnas_cli.spaces.resnet12 import BLOCKS, CONVOLUTIONS, LAYERS, ResNet12
from tnas_cli.spaces.shapes import Spec, Specs

PREFIX = "film."
BETA_0, GAMMA_0 = f"{PREFIX}beta0", f"{PREFIX}gamma0"
DEPTH = 3


def film_specs(network: ResNet12) -> Specs:
    """Weights of the task embedding network."""
    start = Spec((len(CONVOLUTIONS),), "zeros")
    specs: Specs = {BETA_0: start, GAMMA_0: start}
    for number, convolution in enumerate(CONVOLUTIONS):
        width = network.width(number // LAYERS)
        for kind in ("beta", "gamma"):
            for layer in range(DEPTH):
                fed = width if layer else network.width(BLOCKS - 1)
                own = f"{PREFIX}{convolution}.{kind}.{layer}"
                specs |= {f"{own}.weight": Spec((width, fed), fan_in=fed), f"{own}.bias": Spec((width,), fan_in=fed)}
    return specs


def conditioned(parameters: Parameters, task: Tensor) -> Parameters:
    """The gains and biases [T, F] of ResNet-12's norms for tasks with vectors [T, D].

    The norm of a convolution is followed by gamma y + beta, which its own gain and bias can take in.
    """
    found: Parameters = {}
    for number, convolution in enumerate(CONVOLUTIONS):
        beta = parameters[BETA_0][:, number, None] * _vector(parameters, f"{PREFIX}{convolution}.beta", task)
        gamma = parameters[GAMMA_0][:, number, None] * _vector(parameters, f"{PREFIX}{convolution}.gamma", task) + 1
        found[f"{convolution}.gain"] = gamma * parameters[f"{convolution}.gain"]
        found[f"{convolution}.bias"] = gamma * parameters[f"{convolution}.bias"] + beta
    return found


def _vector(parameters: Parameters, prefix: str, task: Tensor) -> Tensor:
    """g or h of one convolution: [T, D] -> [T, F]."""
    u = task.unsqueeze(1)  # [T, 1, D]
    for layer in range(DEPTH):
        bias = parameters[f"{prefix}.{layer}.bias"].unsqueeze(1)
        y = torch.baddbmm(bias, u, parameters[f"{prefix}.{layer}.weight"].transpose(1, 2))  # [T, 1, F]
        y = y if layer == 0 else y + u
        u = y if layer == DEPTH - 1 else F.silu(y)
    return u.squeeze(1)
