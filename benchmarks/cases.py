"""What is measured: steps of search, adaptation and training, computed by the plain loop and by both engines."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests import oracle
from tests.helpers import AUTO_MAML_5SHOT
from tnas_cli.engines.interface import Engine, InnerRule, Network
from tnas_cli.runs.seeds import torch_generator
from tnas_cli.spaces.cost import FORWARD_AND_BACKWARD, flops_per_image
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import THETA, Parameters, draw
from tnas_cli.spaces.search_network import SearchNetwork

WAY, QUERY, STEPS = 5, 15, 5

#: From this side length on, the plain loop runs on one thread, because the library's own threads stall (a query pass at
#: 84 px took 43 s on two threads and 5 s on one).
STALLS_FROM = 84

CPU = torch.device("cpu")

Labelled = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Case:
    """A step: the network, the images' channels and side, shots, tasks at a time, and whether it trains or adapts.

    Targets: `share` is the share of the floor to reach, `times` the speed-up over the plain loop.
    """

    name: str
    network: Network
    plain: oracle.Logits
    channels: int
    side: int
    shot: int = 1
    tasks: int = 4
    steps: int = STEPS
    way: int = WAY
    adapts: bool = False
    times: float = 0
    share: float = 0

    @property
    def rule(self) -> InnerRule:
        """The paper's inner rates."""
        return InnerRule(0.1, 30.0 if THETA in self.network.specs() else 0.0, self.steps)

    def flops(self) -> int:
        """Floating-point operations of the step: a backward pass counts twice a forward pass."""
        per_image = flops_per_image(self.network.logits, self.network.specs(), self.channels, self.side)
        support, query = self.way * self.shot, self.way * QUERY
        query_passes = 1 if self.adapts else FORWARD_AND_BACKWARD
        return self.tasks * per_image * (FORWARD_AND_BACKWARD * self.steps * support + query_passes * query)

    def inputs(self, device: torch.device = CPU) -> tuple[Parameters, Labelled, Labelled]:
        """Initial parameters and random tasks, drawn on the CPU."""
        generator = torch_generator(0, f"benchmark {self.name} {self.side} {self.shot}")

        def images(per_class: int) -> Labelled:
            x = torch.rand(self.tasks, self.way * per_class, self.channels, self.side, self.side, generator=generator)
            y = torch.arange(self.way).repeat_interleave(per_class).expand(self.tasks, -1)
            return x.to(device), y.to(device)

        drawn = {name: tensor.to(device) for name, tensor in draw(self.network.specs(), generator).items()}
        return drawn, images(self.shot), images(QUERY)

    def by_engine(self, engine: Engine, device: torch.device = CPU) -> Callable[[], object]:
        """The step as an engine computes it on a device, which may not be done with it when the call returns."""
        parameters, support, query = self.inputs(device)
        rule = self.rule

        def train() -> object:
            return engine.meta_gradient(self.network, parameters, support, query, rule)

        def adapt() -> object:
            adapted = engine.adapt(self.network, parameters, support, rule)
            return engine.predict(self.network, adapted.parameters, query[0])

        return adapt if self.adapts else train

    def by_plain_loop(self) -> Callable[[], object]:
        """The step one task after the other, with ordinary modules and one query pass per task."""
        parameters, support, query = self.inputs()
        tasks = [((support[0][i], support[1][i]), (query[0][i], query[1][i])) for i in range(self.tasks)]

        def rate(name: str) -> float:
            return self.rule.beta if name == THETA else self.rule.alpha

        def train() -> object:
            return oracle.meta_gradient(self.plain, parameters, tasks, rate, self.steps)

        def adapt() -> object:
            found = []
            for own, (x, _) in tasks:
                adapted = oracle.inner_steps(self.plain, parameters, own, rate, self.steps)
                with torch.no_grad():
                    found.append(self.plain(adapted, x))
            return found

        def on_one_thread() -> object:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                return train()
            finally:
                torch.set_num_threads(threads)

        if self.side >= STALLS_FROM:
            return on_one_thread
        return adapt if self.adapts else train


def decoded_logits(w: oracle.Weights, x: Tensor) -> Tensor:
    """The oracle of Auto-MAML's published 5-shot genotype."""
    return oracle.decoded_logits(w, x, list(AUTO_MAML_5SHOT.normal), list(AUTO_MAML_5SHOT.reduce))


def search(channels: int, side: int, shot: int, times: float, share: float) -> Case:
    """A search step."""
    name = f"search step, {side} px, {shot}-shot"
    network = SearchNetwork(WAY, channels)
    return Case(name, network, oracle.search_logits, channels, side, shot, times=times, share=share)


def training(channels: int, side: int, shot: int, times: float, share: float) -> Case:
    """A training step of a decoded network."""
    name = f"training step of a decoded network, {side} px, {shot}-shot"
    network = DecodedNetwork(AUTO_MAML_5SHOT, WAY, channels)
    return Case(name, network, decoded_logits, channels, side, shot, times=times, share=share)


def adaptation(tasks: int) -> Case:
    """Adaptation with one query pass, as `tnas adapt` and validation do."""
    name = f"adaptation of {tasks} tasks, 28 px, 1-shot"
    return Case(name, SearchNetwork(WAY, 1), oracle.search_logits, 1, 28, 1, tasks, adapts=True, times=24, share=0.55)


CASES = (
    search(1, 28, 1, 24, 0.55),
    search(1, 28, 5, 17, 0.55),
    search(3, 32, 1, 25, 0.55),
    search(3, 84, 1, 7.5, 0.55),
    adaptation(32),
    training(1, 28, 1, 9.5, 0.65),
    training(3, 84, 1, 5, 0.65),
)


def seconds(function: Callable[[], object], device: torch.device = CPU) -> float:
    """Wall time of one call, until the device has computed everything."""
    begin = time.perf_counter()
    function()
    if device.type in ("cuda", "mps"):
        getattr(torch, device.type).synchronize()
    return time.perf_counter() - begin


def matrix_rate(device: torch.device = CPU) -> float:
    """Floating-point operations per second of a float32 matrix product on all threads of a device, the best of five."""
    n = 1536
    a, b = (torch.rand(n, n, device=device) for _ in range(2))
    return 2 * n**3 / min(seconds(lambda: a @ b, device) for _ in range(5))
