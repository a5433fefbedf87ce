"""Small random tasks and parameters in float64, and the distance between two sets of tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest
import torch
from torch import Tensor

from tnas_cli.engines.interface import Network
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods.unrolled import InnerLoop
from tnas_cli.spaces.parameters import THETA, Parameters, Spec, draw

Labelled = tuple[Tensor, Tensor]


def labelled(
    tasks: int, way: int, per_class: int, channels: int, size: int, *, seed: int, dtype: torch.dtype = torch.float64
) -> Labelled:
    """Images of noise [T, way * per_class, C, H, W] and their labels [T, way * per_class]."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(tasks, way * per_class, channels, size, size, generator=generator, dtype=dtype)
    return images, torch.arange(way).repeat_interleave(per_class).expand(tasks, -1).clone()


def parameters_of(network: Network, seed: int = 0, theta_scale: float = 1.0) -> Parameters:
    """Initial weights in float64, with every gain, bias and theta moved away from its special start value."""
    generator = torch.Generator().manual_seed(seed)
    parameters = {name: tensor.double() for name, tensor in draw(network.specs(), generator).items()}
    for name, tensor in parameters.items():
        if name.endswith((".gain", ".bias")):
            tensor += 0.2 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
        if name == THETA:
            tensor.copy_(theta_scale * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))
    return parameters


def begun(loop: InnerLoop, parameters: Parameters) -> Parameters:
    """The start of an inner loop at these parameters of a network: norms are the same in all steps, rates are 1."""
    shapes = loop.shapes({name: Spec(tuple(tensor.shape)) for name, tensor in parameters.items()})
    one = next(iter(parameters.values()))
    return {
        name: parameters[name].expand(spec.shape).clone() if name in parameters else one.new_ones(spec.shape)
        for name, spec in shapes.items()
    }


def pattern_tasks(first: int, count: int, *, way: int = 3, shot: int = 1, query: int = 2, size: int = 20) -> TaskBatch:
    """Learnable tasks: each class is a random coarse pattern, and each image is that pattern with noise (float32).

    Task i is the same, whichever other tasks are drawn with it.
    """
    images, half = [], size // 4
    for index in range(first, first + count):
        generator = torch.Generator().manual_seed(1000 + index)
        pattern = torch.randn(way, 1, 1, half, half, generator=generator)
        noise = 0.3 * torch.randn(way, shot + query, 1, size, size, generator=generator)
        images.append(pattern.repeat_interleave(4, dim=-1).repeat_interleave(4, dim=-2) + noise)
    x = torch.stack(images)  # [T, way, shot + query, 1, size, size]
    y = torch.arange(way).view(1, way, 1).expand(count, way, shot + query)
    return TaskBatch(
        x[:, :, :shot].flatten(1, 2),
        y[:, :, :shot].flatten(1),
        x[:, :, shot:].flatten(1, 2),
        y[:, :, shot:].flatten(1),
        way,
    )


def each_task(batch: Labelled) -> list[Labelled]:
    """The tasks of a batch one by one, without the task dimension."""
    return list(zip(*batch, strict=True))


def worst_relative_error(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest over all tensors of max|found - expected| / max|expected|.

    A tensor that is zero except for rounding is measured against the largest of all tensors instead.
    """
    assert set(found) == set(expected)
    largest = max(float(tensor.abs().max()) for tensor in expected.values())
    return max(
        float((found[name] - tensor).abs().max()) / max(float(tensor.abs().max()), 1e-6 * largest)
        for name, tensor in expected.items()
    )


def check_slope(
    gradients: Parameters,
    loss: Callable[[Parameters], float],
    w: Parameters,
    *,
    step: float = 1e-6,
    moved: Collection[str] | None = None,
) -> None:
    """The gradients at w, along a random direction of these tensors (None: all), are the central difference of loss."""
    generator = torch.Generator().manual_seed(5)
    along = {name: torch.randn(t.shape, generator=generator, dtype=t.dtype) for name, t in w.items()}
    along = {name: t for name, t in along.items() if moved is None or name in moved}

    def at(distance: float) -> float:
        return loss({name: t + distance * along[name] if name in along else t for name, t in w.items()})

    slope = sum(float((gradients[name] * direction).sum()) for name, direction in along.items())
    assert slope == pytest.approx((at(step) - at(-step)) / (2 * step), rel=1e-4)
