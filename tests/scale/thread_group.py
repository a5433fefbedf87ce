"""A group whose members are threads of one process, so that a test sees what each of them does."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from torch import Tensor

from tnas_cli.errors import LostRankError

T = TypeVar("T")
PATIENCE = 60


class Meeting:
    """Where the members of a group exchange values."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.values: list[Any] = [None] * size


class ThreadGroup:
    """A member. `calls` counts what it took part in; at number `leaves` it goes away without a word."""

    def __init__(self, meeting: Meeting, rank: int, leaves: int | None = None) -> None:
        self.meeting, self.rank, self.size = meeting, rank, len(meeting.values)
        self.calls, self.leaves = 0, leaves

    def broadcast(self, tensor: Tensor) -> None:
        values = self._exchange(tensor)
        tensor.copy_(values[0])

    def gather(self, tensor: Tensor) -> list[Tensor]:
        return self._only_leader(self._exchange(tensor))

    def tell(self, value: Any) -> Any:
        return self._exchange(value)[0]

    def collect(self, value: Any) -> list[Any]:
        return self._only_leader(self._exchange(value))

    def _only_leader(self, values: list[Any]) -> list[Any]:
        return values if self.rank == 0 else []

    def _exchange(self, value: Any) -> list[Any]:
        if self.calls == self.leaves:
            self.meeting.barrier.abort()
        self.calls += 1
        self.meeting.values[self.rank] = copy.deepcopy(value)
        try:
            self.meeting.barrier.wait(PATIENCE)
            values = list(self.meeting.values)
            self.meeting.barrier.wait(PATIENCE)
        except threading.BrokenBarrierError:
            raise LostRankError("another process of this group ended unexpectedly.", hint="see above") from None
        return values


def together(members: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """What each member returns or raises, all at the same time."""

    def kept(member: Callable[[], T]) -> T | BaseException:
        try:
            return member()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(members)) as pool:
        return list(pool.map(kept, members))
