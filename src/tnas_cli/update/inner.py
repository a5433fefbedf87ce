"""How a task moves its own parameters: plain gradient steps on the support set (Equations 1, 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Parameters = dict[str, Tensor]

#: Loss of each task at the given parameters: {name: [T, ...]} -> [T].
Loss = Callable[[Parameters], Tensor]


def gradients(
    loss: Loss, parameters: Parameters, names: tuple[str, ...], *, create_graph: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses [T] and each task's gradient of its own loss with respect to the named parameters.

    Tasks do not share parameters, so the gradient of the sum over tasks is every task's own gradient.
    """
    if create_graph:
        # New names for the same values: in Equation 5 the new w depends on theta, and the gradient with respect to
        # theta is the partial one, at that w held fixed.
        parameters = {name: tensor.view_as(tensor) for name, tensor in parameters.items()}
    else:
        parameters = {name: tensor.detach().requires_grad_(name in names) for name, tensor in parameters.items()}
    losses = loss(parameters)  # [T]
    wanted = [parameters[name] for name in names]
    # A genotype may leave an input unused; the weights of that input have a gradient of zero.
    found = torch.autograd.grad(losses.sum(), wanted, create_graph=create_graph, materialize_grads=True)
    return losses, dict(zip(names, found, strict=True))


def descend(parameters: Parameters, gradients: Mapping[str, Tensor], rates: Mapping[str, float]) -> Parameters:
    """parameters - rate * gradient for every parameter that has a gradient; the others stay."""
    return {
        name: torch.sub(tensor, gradients[name], alpha=rates[name]) if name in gradients else tensor
        for name, tensor in parameters.items()
    }


def simultaneous(
    loss: Loss, parameters: Parameters, rates: Mapping[str, float], *, create_graph: bool = False
) -> tuple[Tensor, Parameters]:
    """Equation 7: one backward pass moves w and theta together. Without theta it is Equation 1 (MAML).

    Returns the losses [T] before the step and the new parameters.
    """
    losses, grads = gradients(loss, parameters, tuple(rates), create_graph=create_graph)
    return losses, descend(parameters, grads, rates)


def alternating(
    loss: Loss,
    parameters: Parameters,
    rates: Mapping[str, float],
    *,
    second: tuple[str, ...],
    create_graph: bool = False,
) -> tuple[Tensor, Parameters]:
    """Equation 5: first w moves, then theta (the names in `second`) at the new w; two backward passes."""
    first = tuple(name for name in rates if name not in second)
    losses, grads = gradients(loss, parameters, first, create_graph=create_graph)
    parameters = descend(parameters, grads, rates)
    _, grads = gradients(loss, parameters, second, create_graph=create_graph)
    return losses, descend(parameters, grads, rates)
