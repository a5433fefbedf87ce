"""The engine of fused kernels: first order, on the CPU, float32 and float64; a thread for each task, or several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tnas_cli.engines.describe import NoKernelError, describe
from tnas_cli.engines.fused.catalogue import is_kept
from tnas_cli.engines.fused.library import Library, OnCompile, silent
from tnas_cli.engines.fused.machine import UnavailableError, instruction_set, kernel_folder, target
from tnas_cli.engines.fused.program import Program, Steps, planned, usual_keys
from tnas_cli.engines.fused.workers import Workers
from tnas_cli.engines.interface import Adapted, Answering, Embedding, Gradients, InnerRule, MetaGradient, Network, Part
from tnas_cli.engines.parts import ANSWERED_TOGETHER
from tnas_cli.engines.torch_engine import Labelled, check_images, task_accuracies
from tnas_cli.errors import DivergedError, SettingsError, TnasError
from tnas_cli.spaces.parameters import Parameters

__all__ = ["FusedEngine", "at_hand", "describe", "instruction_set"]


def at_hand(network: Network, side: int, images: Sequence[int]) -> bool:
    """Whether the kernels that a network needs for these numbers of images are compiled and kept on this machine."""
    try:
        folder = kernel_folder()
    except SettingsError:
        return False
    if not folder.is_dir():
        return False
    what = describe(network)
    plans = (planned(what, side, target(), key) for key in usual_keys(images, ANSWERED_TOGETHER, side))
    return all(is_kept(kernel, "float32", folder) for plan in plans for kernel in plan.kernels)


class FusedEngine:
    """Kernels compiled for this processor; a task's own arithmetic does not depend on the number of threads.

    Every method raises TnasError if kernels cannot be compiled or kept.
    """

    name = "fused"

    def __init__(self, threads: int | None = None, on_compile: OnCompile = silent) -> None:
        self.threads = threads or torch.get_num_threads()
        self._on_compile = on_compile
        # Denormal numbers are slow and mean nothing here; the setting is each thread's own.
        self._workers = Workers(self.threads, lambda: torch.set_flush_denormal(True))
        self._libraries: dict[str, Library] = {}
        self._programs: dict[tuple[Hashable, int, str], Program] = {}
        with _explained():
            self._library("float32")

    def prepare(self, network: Network, side: int, images: Sequence[int], dtype: str = "float32") -> None:
        """Compile what a network needs for these numbers of images of side x side pixels, if not compiled already."""
        program = self._program(network, side, dtype)
        with _explained():
            program.prepare(images, ANSWERED_TOGETHER)

    def in_parts(self, function: Callable[[slice], Part], images: Tensor) -> list[Part]:
        """All tasks at once: each is computed on a thread of this engine."""
        return [function(slice(0, len(images)))]

    def meta_gradient(
        self,
        network: Network,
        parameters: Parameters,
        support: Labelled,
        query: Labelled,
        rule: InnerRule,
        *,
        second_order: bool = False,
        by_support: bool = False,
    ) -> MetaGradient:
        """Equation 8: the gradient at the adapted point, summed over tasks."""
        if second_order:
            raise ValueError("the fused engine computes first-order gradients only")
        program = self._program(network, support[0].shape[-1], _dtype(support[0]))
        flat = _finite(parameters, (), support[0], query[0])
        with _explained():
            total, losses, logits = program.meta_gradients(
                flat, _arrays(support), _arrays(query), _steps(rule), by_support=by_support
            )
        accuracies = task_accuracies(torch.from_numpy(logits), query[1])
        return MetaGradient(_named(parameters, torch.from_numpy(total)), torch.from_numpy(losses), accuracies)

    def adapt(self, network: Network, parameters: Parameters, support: Labelled, rule: InnerRule) -> Adapted:
        """Every task's own inner steps (Equation 7, or 5), and its support loss along the way."""
        program = self._program(network, support[0].shape[-1], _dtype(support[0]))
        flat = _finite(parameters, (), support[0])
        with _explained():
            own, losses = program.adapted(flat, _arrays(support), _steps(rule))
        return Adapted(_named(parameters, torch.from_numpy(own)), torch.from_numpy(losses))

    def gradients(
        self, network: Network, parameters: Parameters, labelled: Labelled, support_x: Tensor | None = None
    ) -> Gradients:
        """The loss and its gradient at each task's own parameters."""
        program = self._program(network, labelled[0].shape[-1], _dtype(labelled[0]))
        measured = () if support_x is None else (support_x,)
        flat = _finite(parameters, labelled[0].shape[:1], labelled[0], *measured)
        with _explained():
            own, losses, logits = program.gradients(flat, _arrays(labelled), *(x.numpy() for x in measured))
        found = _named({name: tensor[0] for name, tensor in parameters.items()}, torch.from_numpy(own))
        return Gradients(torch.from_numpy(losses), found, torch.from_numpy(logits))

    def predict(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """Logits [T, N, way]; batch norm uses the statistics of x."""
        program = self._program(network, x.shape[-1], _dtype(x))
        check_images(x)
        with _explained():
            return torch.from_numpy(program.logits(_flat(parameters, leading=x.shape[:1]), x.numpy()))

    def features(self, network: Network, parameters: Parameters, x: Tensor) -> Tensor:
        """What the linear layer sees [T, N, F]; batch norm uses the statistics of x."""
        program = self._program(network, x.shape[-1], _dtype(x))
        check_images(x)
        with _explained():
            return torch.from_numpy(program.features(_flat(parameters, leading=x.shape[:1]), x.numpy()))

    def embedding(self, network: Embedding, parameters: Parameters, x: Tensor) -> Tensor:
        """Features [T, N, F] that PyTorch differentiates by these kernels."""
        program = self._program(network, x.shape[-1], _dtype(x))
        check_images(x)
        every = {
            name: parameters[name] if name in parameters else x.new_zeros((len(x), *spec.shape))
            for name, spec in network.specs().items()
        }
        flat = torch.cat([tensor.reshape(len(x), -1) for tensor in every.values()], dim=-1)
        with _explained():
            found: Tensor = _Embedding.apply(flat, program, x)
        return found

    def answering(self, network: Network, parameters: Parameters, support_x: Tensor) -> Answering:
        """Answers by the support images' moments; an image's logits are the same to the last bit in any company."""
        program = self._program(network, support_x.shape[-1], _dtype(support_x))
        check_images(support_x)
        flat = _flat(parameters, leading=support_x.shape[:1])
        with _explained():
            moments = program.moments(flat, support_x.numpy())

        def answer(x: Tensor) -> Tensor:
            check_images(x)
            with _explained():
                return torch.from_numpy(program.answers(flat, moments, x.numpy(), ANSWERED_TOGETHER))

        return answer

    def _library(self, dtype: str) -> Library:
        if dtype not in self._libraries:
            self._libraries[dtype] = Library(dtype, self._on_compile, self.threads)
        return self._libraries[dtype]

    def _program(self, network: Network, side: int, dtype: str) -> Program:
        try:
            what = describe(network)
        except NoKernelError as error:
            raise ValueError(f"the fused engine cannot be used: {error}") from error
        key = (network if isinstance(network, Hashable) else what, side, dtype)
        if key not in self._programs:
            with _explained():
                self._programs[key] = Program(what, side, target(), self._library(dtype), self._workers)
        return self._programs[key]


class _Embedding(torch.autograd.Function):
    """Parameters [T, P] -> features [T, N, F] of images x."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, program: Program, x: Tensor) -> Tensor:
        if not flat.requires_grad:
            return torch.from_numpy(program.features(flat.numpy(), x.numpy()))
        ctx.program, ctx.flat, ctx.x = program, flat.detach().numpy(), x.numpy()
        features, ctx.kept = program.embedded(ctx.flat, ctx.x)
        return torch.from_numpy(features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        found = ctx.program.embedding_gradients(ctx.flat, ctx.x, ctx.kept, gradient.contiguous().numpy())
        del ctx.kept  # its memories are used for the next meta-batch
        return torch.from_numpy(found), None, None


@contextmanager
def _explained() -> Iterator[None]:
    """Turns a failure to compile or keep kernels into an error for the user."""
    try:
        yield
    except UnavailableError as error:
        hint = "set TNAS_KERNELS to a folder that can be written, or choose --engine torch"
        raise TnasError(f"{error}.", hint=hint) from error


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _steps(rule: InnerRule) -> Steps:
    return Steps(rule.steps, rule.alpha, rule.beta, rule.alternating)


def _arrays(labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    return labelled[0].numpy(), labelled[1].numpy()


def _flat(parameters: Mapping[str, Tensor], leading: Sequence[int]) -> np.ndarray:
    """All parameters side by side, in their order: [..., P]."""
    return torch.cat([tensor.detach().reshape(*leading, -1) for tensor in parameters.values()], dim=-1).numpy()


def _named(like: Mapping[str, Tensor], flat: Tensor) -> dict[str, Tensor]:
    """[..., P] as tensors of the shapes of `like` with the same leading dimensions."""
    parts = torch.split(flat, [tensor.numel() for tensor in like.values()], dim=-1)
    return {
        name: part.reshape(*flat.shape[:-1], *tensor.shape)
        for (name, tensor), part in zip(like.items(), parts, strict=True)
    }


def _finite(parameters: Parameters, leading: Sequence[int], *images: Tensor) -> np.ndarray:
    """All parameters side by side; raises DivergedError for images or parameters that are not finite."""
    for x in images:
        check_images(x)
    flat = _flat(parameters, leading)
    if not np.isfinite(flat.sum()) and not np.isfinite(flat).all():
        name = next(name for name, tensor in parameters.items() if not bool(tensor.isfinite().all()))
        what = f"diverged: its parameters {name} are not all finite."
        raise DivergedError(what, hint="start from an undamaged checkpoint, or lower the rates")
    return flat
