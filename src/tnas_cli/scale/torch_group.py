"""Processes that torchrun started, joined by torch.distributed: gloo between CPUs, nccl between GPUs.

What is sent besides tensors is pickled. Whoever can connect to the group's ports can run code: torchrun belongs on a
machine, or in a network, whose users are trusted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, TCPStore

from tnas_cli.errors import LostRankError

T = TypeVar("T")

#: The leader may compute for days while the others wait; a process that ends is noticed by its closed connection.
PATIENCE = timedelta(days=365)
TO_JOIN = timedelta(minutes=5)


class Group(Protocol):
    """Processes 0 to size - 1, of which 0 leads. Every member must call the same methods in the same order; each raises
    LostRankError where another one has ended."""

    rank: int
    size: int

    def broadcast(self, tensor: Tensor) -> None:
        """The leader's tensor becomes that of all."""

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """All members' tensors, of one shape, by rank; empty where another one leads."""

    def tell(self, value: Any) -> Any:
        """The leader's value, for all."""

    def collect(self, value: Any) -> list[Any]:
        """All members' values by rank; empty where another one leads."""


class TorchGroup:
    """The group of this process."""

    def __init__(self) -> None:
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        #: torchrun keeps it while it starts its processes again; where another program starts them, the leader does.
        self.store = TCPStore(
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=self.rank == 0 and not kept,
            timeout=TO_JOIN,
        )
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        #: What is written here is forgotten with this attempt.
        self.attempt = PrefixStore(f"tnas/attempt {attempt}", self.store)
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, store=self.attempt, rank=self.rank, world_size=self.size, timeout=PATIENCE)

    def broadcast(self, tensor: Tensor) -> None:
        _kept(lambda: dist.broadcast(tensor, 0))

    def gather(self, tensor: Tensor) -> list[Tensor]:
        into = [torch.empty_like(tensor) for _ in range(self.size)] if self.rank == 0 else None
        _kept(lambda: dist.gather(tensor, into, 0))
        return into or []

    def tell(self, value: Any) -> Any:
        values = [value]
        _kept(lambda: dist.broadcast_object_list(values, 0, device=torch.device("cpu")))
        return values[0]

    def collect(self, value: Any) -> list[Any]:
        into: list[Any] | None = [None] * self.size if self.rank == 0 else None
        _kept(lambda: dist.gather_object(value, into, 0))
        return into or []

    def leave(self) -> None:
        """Close the connections; the others notice."""
        with suppress(RuntimeError, ValueError):
            dist.destroy_process_group()


def _kept(call: Callable[[], T]) -> T:
    try:
        return call()
    except RuntimeError as error:  # torch.distributed raises nothing more special for a closed connection
        raise LostRankError(
            "another process of this group ended unexpectedly.",
            hint="it may have been killed, or short of memory; what it said is above",
        ) from error
