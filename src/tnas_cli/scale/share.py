"""What a process of a group computes of a meta-batch and of a validation, and the form in which it is sent.

A task's gradient is always computed alone, by one thread of PyTorch; the fused engine's sums do not depend on threads.
So its bits depend neither on how many processes or threads there are nor on which tasks they share.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from tnas_cli.engines.interface import MetaGradient
from tnas_cli.engines.parts import on_threads
from tnas_cli.errors import DivergedError, TnasError
from tnas_cli.methods.learner import Learner, accuracies
from tnas_cli.methods.meta_learn import Tasks
from tnas_cli.methods.together import MetaBatch, finite
from tnas_cli.methods.transfer import Share, TransferState
from tnas_cli.runs.events import Progress
from tnas_cli.runs.files import refused
from tnas_cli.spaces.parameters import Parameters

T = TypeVar("T")

#: The last columns of a row: the task's query loss and accuracy, its weakest class, or -1 where a method names none,
#: and what its process reports in its first row.
LOSS, ACCURACY, WEAKEST, REPORT = -4, -3, -2, -1
STOP, FAILED = 1, 2


@dataclass
class Duty:
    """A learner and its tasks; `parameters` have the shapes, the type and the device of the meta-parameters."""

    learner: Learner
    tasks: Tasks
    parameters: Parameters
    warm: bool = field(default=False, init=False)

    def gradients(self, parameters: Parameters, which: MetaBatch, positions: Sequence[int]) -> list[MetaGradient]:
        """The gradient of each task at these positions of a meta-batch."""

        def one(position: int) -> MetaGradient:
            try:
                return finite(self.learner, parameters, self.tasks.drawn(which, position, 1), which)
            except DivergedError as error:
                error.position = position
                raise

        # The first task compiles what the others need.
        head = [] if self.warm else list(positions[:1])
        found = by_one_thread(one, head) + by_one_thread(one, positions[len(head) :])
        self.warm = self.warm or bool(found)
        return found

    def accuracies(self, parameters: Parameters, rank: int, size: int) -> Iterator[tuple[int, Tensor]]:
        """Numbers and accuracies of this process's batches of validation tasks: every `size`-th one."""
        batches = islice(self.tasks.validate(), rank, None, size)
        return zip(range(rank, 2**62, size), accuracies(self.learner, parameters, batches), strict=False)


@runtime_checkable
class Shared(Protocol):
    """Work whose meta-batches several processes can compute."""

    def duty(self, number: int) -> Duty:
        """Its learner and tasks; `number` says which, where it has several."""


#: Of a task that is computed by many steps: what it reports after each, and its parameters at the end.
Steps = Generator[Progress, None, Parameters]


@runtime_checkable
class InSteps(Protocol):
    """Work that has such tasks, which do not need each other."""

    def steps(self, of: Any, position: int) -> Steps:
        """One of the tasks; `of` says which ones they are, and can be pickled."""


@runtime_checkable
class InShards(Protocol):
    """Work that trains networks by up to `shards` parts of a batch."""

    @property
    def shards(self) -> int: ...

    def start(self, number: int) -> TransferState:
        """The state of network `number` before its first step."""

    def shares(self, state: TransferState, rank: int, size: int) -> list[Share]:
        """The shares of the parts rank, rank + size, ... of the next step's batch."""


def by_one_thread(function: Callable[[int], T], positions: Sequence[int]) -> list[T]:
    """`function` of each position, at the same time on as many threads as this process has."""
    return on_threads(function, positions, torch.get_num_threads())


def share(rank: int, size: int, count: int) -> range:
    """Which positions of a meta-batch a process computes."""
    return range(rank, count, size)


def packed(found: Sequence[MetaGradient], like: Parameters, rows: int, report: int) -> Tensor:
    """Gradients as rows [rows, P + 4] of one type; a parameter that has none, and a row without a task, is 0."""
    flat = flattened(like)
    table = flat.new_zeros(rows, len(flat) + 4)
    for row, one in zip(table, found, strict=False):
        gradients = {name: one.gradients.get(name, torch.zeros_like(tensor)) for name, tensor in like.items()}
        row[:LOSS] = flattened(gradients)
        row[LOSS], row[ACCURACY] = one.query_losses[0], one.query_accuracies[0]
        row[WEAKEST] = -1 if one.weakest is None else one.weakest[0]
    table[0, REPORT] = report
    return table


def unpacked(row: Tensor, like: Parameters, names: Sequence[str]) -> MetaGradient:
    """One row of `packed`, with the gradients of these parameters."""
    gradients, weakest = named(row[:LOSS], like), row[WEAKEST][None].long()
    known = {name: gradients[name] for name in names}
    return MetaGradient(known, row[LOSS][None], row[ACCURACY][None], weakest if int(weakest) >= 0 else None)


def flattened(parameters: Parameters) -> Tensor:
    """All parameters side by side [P], in their order."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in parameters.values()])


def named(flat: Tensor, like: Parameters) -> Parameters:
    """[P] as tensors of the shapes of `like`."""
    parts = torch.split(flat, [tensor.numel() for tensor in like.values()])
    return {name: part.reshape(tensor.shape) for (name, tensor), part in zip(like.items(), parts, strict=True)}


def tried(function: Callable[[], T], otherwise: T) -> tuple[T, TnasError | None]:
    """What `function` returns; if it fails, the other value and the error in a form that can be sent."""
    try:
        return function(), None
    except TnasError as error:
        return otherwise, error
    except OSError as error:
        return otherwise, refused(error)
    except Exception as error:
        words = f"unexpected {type(error).__name__} in one of several processes: {error}"
        return otherwise, TnasError(words, hint="run it without torchrun and with TNAS_DEBUG=1 to see where")


def first_error(errors: Sequence[Any]) -> TnasError | None:
    """The error of the first task, as one process alone would have met it."""
    met = [error for error in errors if error is not None]
    return min(met, key=lambda error: getattr(error, "position", None) or 0, default=None)
