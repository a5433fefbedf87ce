"""The tasks of a meta-batch in parts, each computed at once and on one CPU thread.

Threads inside an operation gain little if operations are small, since they wait for each other at the end of each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from tnas_cli.engines.interface import Part

Item = TypeVar("Item")

#: Tasks share a computation up to this many pixels: operations that are too small cost time, and so does memory that
#: no cache holds; docs/decisions/torch-engine.md has the figures.
PIXELS = 2**18


def in_parts(function: Callable[[slice], Part], images: Tensor) -> list[Part]:
    """`function` of consecutive slices that cover all tasks of `images` [T, N, C, H, W], in their order.

    An exception in one of them is raised here, when those under way have ended.
    """
    tasks, threads = images.shape[0], torch.get_num_threads()
    if images.device.type != "cpu":
        return [function(slice(0, tasks))]
    together = max(1, PIXELS // math.prod((images.shape[1], *images.shape[-2:])))
    workers = min(threads, tasks)
    count = max(workers, math.ceil(tasks / together))
    bounds = [tasks * part // count for part in range(count + 1)]
    slices = [slice(*pair) for pair in itertools.pairwise(bounds)]
    return on_threads(function, slices, workers)


def on_threads(function: Callable[[Item], Part], items: Sequence[Item], workers: int) -> list[Part]:
    """`function` of each item, in their order, on so many threads at the same time, which share PyTorch's threads.

    An exception in one of them is raised here, when those under way have ended.
    """
    threads = torch.get_num_threads()
    if workers == 1:
        return [function(item) for item in items]

    def alone(item: Item) -> Part:
        torch.set_num_threads(threads // workers)  # for this thread and for threads started later
        return function(item)

    try:
        with ThreadPoolExecutor(workers, "tnas-part") as pool:
            return list(pool.map(alone, items))
    finally:
        torch.set_num_threads(threads)


#: Images that are answered by given moments at a time, always as many: whatever is computed for an image is then
#: the same in any company.
ANSWERED_TOGETHER = 16


def in_equal_parts(answer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Answers [T, N, ...] to images x [T, N, C, H, W], of which ANSWERED_TOGETHER are asked at a time; the last ones
    are filled up with zeros."""
    count = x.shape[1]
    filled = F.pad(x, (0, 0) * 3 + (0, -count % ANSWERED_TOGETHER))
    return torch.cat([answer(part) for part in torch.split(filled, ANSWERED_TOGETHER, dim=1)], dim=1)[:, :count]


def summed(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The sum over parts of each of several tensors."""
    return [torch.stack(one).sum(0) for one in zip(*parts, strict=True)]


def joined(parts: list[Tensor]) -> Tensor:
    """The parts' tensors [T, ...], concatenated."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
