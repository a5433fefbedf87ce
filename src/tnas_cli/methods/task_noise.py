"""Random numbers inside a task, which depend on the seed and on the task's images alone: whichever tasks and processes
compute it, before or after a stop, it gets the same ones."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from tnas_cli.runs.seeds import torch_generator


def generators(images: Tensor, seed: int, purpose: str) -> list[torch.Generator]:
    """A CPU generator for each task, from its images [T, N, C, H, W], which take the place of an index."""
    plain = images.detach().to("cpu", torch.float32).contiguous().numpy()
    return [torch_generator(seed, f"{purpose}/{hashlib.blake2b(own.tobytes()).hexdigest()}") for own in plain]


def uniform(given: list[torch.Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """U(0, 1) of every task's own generator [T, *shape], on the device and in the type of `like`."""
    return torch.stack([torch.rand(shape, generator=own) for own in given]).to(like)


def normal(given: list[torch.Generator], shape: tuple[int, ...], like: Tensor) -> Tensor:
    """N(0, 1) of every task's own generator [T, *shape], on the device and in the type of `like`."""
    return torch.stack([torch.randn(shape, generator=own) for own in given]).to(like)
