"""`tnas doctor`: is this installation sound, and how fast is this machine?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch

from tnas_cli.engines.choose import choose_engine, why_not_fused
from tnas_cli.engines.interface import Engine, InnerRule, Network
from tnas_cli.engines.torch_engine import TorchEngine, task_losses
from tnas_cli.episodes import registry as data_sets
from tnas_cli.episodes.cache import cache_root
from tnas_cli.episodes.specs import DATASETS
from tnas_cli.methods import registry as methods
from tnas_cli.methods.about import OWN
from tnas_cli.records.other_results import DoctorResult
from tnas_cli.runs import events, plug_ins
from tnas_cli.runs.cores import usable_cores
from tnas_cli.runs.device import HERE, Machine, environment
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.parameters import THETA, Parameters, draw, for_tasks
from tnas_cli.spaces.search_network import SearchNetwork

#: Largest relative difference between a gradient and its finite difference, in double precision.
TOLERANCE = 1e-5

#: Largest relative difference between the engine's query loss and the plain one, in single precision.
ENGINE_TOLERANCE = 1e-4
SAMPLE_SECONDS = 2.0

#: The step whose speed is sampled: 5-way 1-shot, 15 queries per class, Omniglot's size.
SAMPLE, SAMPLE_SIDE, SAMPLE_IMAGES = SearchNetwork(way=5, in_channels=1), 28, (5, 75)

#: Side and channels of the images that `--warm` compiles for.
USUAL_IMAGES = ((28, 1), (32, 3), (84, 3))

_PACKAGES = ("torch", "torchvision", "numba", "numpy", "h5py", "typer", "rich", "pillow", "matplotlib")


def doctor(machine: Machine = HERE, *, warm: bool = False, listener: events.Listener = events.ignore) -> DoctorResult:
    """Versions, device, engine, caches, a check of the mathematics and the speed of a search step, as a record.

    warm: compile the kernels of the usual networks first. Raises SettingsError for an engine that cannot be used.
    """
    where = machine.start()
    root = machine.cache_root or cache_root()
    chosen, reason, kernels = _engine(machine, where, warm, listener)
    gradient_error, engine_error = _gradient_error(), _engine_error(chosen, where)
    return DoctorResult(
        environment=environment(where),
        usable_cores=usable_cores(),
        packages={name: metadata.version(name) for name in _PACKAGES},
        engine=chosen.name,
        engine_reason=reason,
        kernels=kernels,
        cache=str(root),
        prepared=tuple(sorted(path.name for path in Path(root).glob("*.h5"))),
        added=(*sorted(methods.all_about().keys() - OWN), *sorted(data_sets.datasets().keys() - DATASETS)),
        left_out=plug_ins.problems(),
        gradient_error=gradient_error,
        engine_error=engine_error,
        sound=gradient_error < TOLERANCE and engine_error < ENGINE_TOLERANCE,
        search_tasks_per_second=_speed(chosen, where),
    )


def _engine(
    machine: Machine, device: torch.device, warm: bool, listener: events.Listener
) -> tuple[Engine, str, str | None]:
    """The engine that a search would take, why, and the folder of compiled kernels, if they are used."""
    noted: list[str] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Note):
            noted.append(event.text)
        listener(event)

    chosen = choose_engine(machine.engine, SAMPLE, device, side=SAMPLE_SIDE, images=SAMPLE_IMAGES, listener=note)
    if chosen.name == "fused":
        from tnas_cli.engines.fused.machine import kernel_folder
        from tnas_cli.engines.fused_engine import FusedEngine, instruction_set

        assert isinstance(chosen, FusedEngine)
        if warm:
            for network, side, images in usual_networks():
                chosen.prepare(network, side, images)
        threads = f"{chosen.threads} thread{'s' if chosen.threads > 1 else ''}"
        return chosen, f"kernels for {instruction_set()}, {threads}, one task each", str(kernel_folder())
    if machine.engine == "torch":
        return chosen, "asked for", None
    return chosen, why_not_fused(SAMPLE, device) or noted[-1], None


def usual_networks() -> Iterator[tuple[Network, int, tuple[int, int]]]:
    """Network, image side, and support and query images, for which `--warm` compiles.

    The two decoded networks have every operation in both cells, at both strides.
    """
    operations = DARTS.choices
    cells = [
        tuple((operations[(2 * node + edge + shift) % len(operations)], edge) for node in range(4) for edge in range(2))
        for shift in (0, 4)
    ]
    for side, channels in USUAL_IMAGES:
        for shot in (1, 5):
            images = (5 * shot, 5 * 15)
            yield SearchNetwork(5, channels), side, images
            for cell in cells:
                yield DecodedNetwork(Genotype(cell, cell), 5, channels), side, images
            yield FourConv(5, channels, side), side, images


def _engine_error(engine: Engine, device: torch.device) -> float:
    """Relative difference between the chosen engine's query losses and PyTorch's on the processor, in float32.

    It takes no inner steps: they would let rounding change which entry of a pool is the largest.
    """
    generator, rule = torch_generator(0, "doctor"), InnerRule(0.1, 30.0, 0)
    parameters = draw(SAMPLE.specs(), generator)
    labels = torch.arange(SAMPLE_IMAGES[0]).expand(2, -1)
    images = torch.rand(2, SAMPLE_IMAGES[0], 1, SAMPLE_SIDE, SAMPLE_SIDE, generator=generator)

    def losses(by: Engine, where: torch.device) -> torch.Tensor:
        task = (images.to(where), labels.to(where))
        at = {name: tensor.to(where) for name, tensor in parameters.items()}
        return by.meta_gradient(SAMPLE, at, task, task, rule).query_losses.cpu()

    plain = losses(TorchEngine(), torch.device("cpu"))
    return float(((losses(engine, device) - plain) / plain).abs().max())


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


def _speed(engine: Engine, device: torch.device) -> float:
    """Tasks per second of a 5-way 1-shot search on 28 x 28 images, sampled for two seconds."""
    generator = torch_generator(0, "doctor")
    parameters = {name: tensor.to(device) for name, tensor in draw(SAMPLE.specs(), generator).items()}

    def images(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count).remainder(5).expand(4, count)
        return torch.rand(4, count, 1, SAMPLE_SIDE, SAMPLE_SIDE, generator=generator).to(device), labels.to(device)

    support, query = (images(count) for count in SAMPLE_IMAGES)
    rule = InnerRule(0.1, 30.0, 5)
    engine.meta_gradient(SAMPLE, parameters, support, query, rule)
    begin, tasks = time.perf_counter(), 0
    while time.perf_counter() - begin < SAMPLE_SECONDS:
        engine.meta_gradient(SAMPLE, parameters, support, query, rule)
        tasks += 4
    return tasks / (time.perf_counter() - begin)
