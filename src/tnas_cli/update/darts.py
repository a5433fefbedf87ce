"""DARTS's two steps on two halves of the training images (Equation 4): theta on one, then w on the other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tnas_cli.update.inner import Loss, gradients


def architecture_gradient(
    training: Loss, validation: Loss, parameters: Mapping[str, Tensor], theta: tuple[str, ...], xi: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 4, first line: the gradient of L_validation(w - xi grad_w L_training(w, theta), theta) with respect to
    theta, the parameters named in `theta`; w are all others.

    With xi = 0 it is the first-order gradient, which the paper uses. Otherwise it is exact, through the step of w;
    Liu et al. approximate that part by a finite difference. Returns the validation losses [T] and each task's
    gradient [T, ...].
    """
    if xi == 0:
        losses, found = gradients(validation, dict(parameters), theta, create_graph=False)
        return losses.detach(), found
    start = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items()}
    weights = tuple(name for name in start if name not in theta)
    _, moved = gradients(training, start, weights, create_graph=True)
    stepped = {name: tensor - xi * moved[name] if name in moved else tensor for name, tensor in start.items()}
    losses = validation(stepped)  # [T]
    slopes = torch.autograd.grad(losses.sum(), [start[name] for name in theta], materialize_grads=True)
    return losses.detach(), dict(zip(theta, slopes, strict=True))


def clipped(gradients: Mapping[str, Tensor], most: float) -> dict[str, Tensor]:
    """Each task's gradients [T, ...], scaled down where their norm over all names is above `most`."""
    squares = torch.stack(
        [gradient.reshape(len(gradient), -1).square().sum(1) for gradient in gradients.values()]
    )  # [names, T]
    share = (most / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1)  # [T]
    return {name: g * share.view(-1, *[1] * (g.dim() - 1)) for name, g in gradients.items()}


def step(optimiser: torch.optim.Optimizer, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
    """Either line of Equation 4: move the parameters that have a gradient, in place."""
    for name, gradient in gradients.items():
        parameters[name].grad = gradient
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
