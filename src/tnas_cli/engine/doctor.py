"""`tnas doctor`: is this installation sound, and how fast is this machine?"""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from tnas_cli.compute.interface import InnerRule
from tnas_cli.compute.torch_engine import TorchEngine, task_losses
from tnas_cli.episodes.cache import cache_root
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.space.parameters import THETA, Parameters, draw, for_tasks
from tnas_cli.space.search_network import SearchNetwork

#: Largest relative difference between a gradient and its finite difference, in double precision.
TOLERANCE = 1e-5
SAMPLE_SECONDS = 2.0
_PACKAGES = ("torch", "torchvision", "numpy", "h5py", "typer", "rich", "pillow", "matplotlib")


def doctor(machine: Machine = HERE) -> dict[str, Any]:
    """Versions, device, caches, a check of the mathematics and the speed of a search step, as a record."""
    where = machine.start()
    root = machine.cache_root or cache_root()
    error = _gradient_error()
    return {
        "event": "result",
        "version": 1,
        "command": "doctor",
        **environment(where),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "cache": str(root),
        "prepared": sorted(path.name for path in Path(root).glob("*.h5")),
        "gradient_error": error,
        "sound": error < TOLERANCE,
        "search_tasks_per_second": _speed(where),
    }


def _gradient_error() -> float:
    """Relative difference between autograd and a central difference of the loss along the gradient, in float64."""
    network = SearchNetwork(way=3, in_channels=1, channels=4)
    generator = torch_generator(0, "doctor")
    parameters = {name: tensor.double() for name, tensor in draw(network.specs(), generator).items()}
    x = torch.rand(1, 6, 1, 20, 20, generator=generator).double()
    y = torch.arange(6).remainder(3)[None]

    def loss(at: Parameters) -> torch.Tensor:
        return task_losses(network.logits(for_tasks(at, 1), x), y).sum()

    theta = parameters[THETA].requires_grad_()
    (gradient,) = torch.autograd.grad(loss(parameters), [theta])
    direction = gradient / gradient.norm()
    step = 1e-4
    with torch.no_grad():
        ahead = loss({**parameters, THETA: theta + step * direction})
        behind = loss({**parameters, THETA: theta - step * direction})
    slope = float((ahead - behind) / (2 * step))
    return abs(slope - float(gradient.norm())) / abs(slope)


def _speed(device: torch.device) -> float:
    """Tasks per second of a 5-way 1-shot search on 28 x 28 images, sampled for two seconds."""
    network, engine = SearchNetwork(way=5, in_channels=1), TorchEngine()
    generator = torch_generator(0, "doctor")
    parameters = {name: tensor.to(device) for name, tensor in draw(network.specs(), generator).items()}

    def images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count).remainder(5).expand(4, count)
        return torch.rand(4, count, 1, 28, 28, generator=generator).to(device), labels.to(device)

    support, query, rule = images(5), images(75), InnerRule(0.1, 30.0, 5)
    engine.meta_gradient(network, parameters, support, query, rule)
    begin, tasks = time.perf_counter(), 0
    while time.perf_counter() - begin < SAMPLE_SECONDS:
        engine.meta_gradient(network, parameters, support, query, rule)
        tasks += 4
    return tasks / (time.perf_counter() - begin)
