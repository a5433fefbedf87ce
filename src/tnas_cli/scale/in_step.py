"""Tasks that do not need each other, each computed by many steps: every process of a group computes some of them.

All take a step, and then hear from the leader whether all take another one. So a process that is lost, that is asked to
stop or that has failed is noticed after a step. A task is computed alone, by one thread of PyTorch, and the fused
engine's sums do not depend on threads: its bits depend neither on how many processes there are nor on their threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Listener, Progress
from tnas_cli.runs.interrupt import StoppedError, ask_to_stop, stop_asked
from tnas_cli.runs.ranks import here
from tnas_cli.scale.leader import STEPS, Leader
from tnas_cli.scale.share import FAILED, STOP, InSteps, Steps, by_one_thread, first_error, share, tried
from tnas_cli.scale.torch_group import Group
from tnas_cli.spaces.parameters import Parameters

#: Reported beside STOP and FAILED: not all is done.
MORE = 4


def leading() -> Leader | None:
    """What leads the group of this process; None for a single process."""
    ranks = here()
    return ranks if isinstance(ranks, Leader) else None


def led(leader: Leader, work: InSteps, of: Any, count: int, listener: Listener) -> list[Parameters]:
    """What `count` tasks come to, by the group that this process leads. listener: hears of the leader's first task.

    Raises the error of the first task that has failed, and StoppedError where any process was asked to stop.
    """
    leader.order(STEPS)
    leader.group.tell((of, count))
    stopped: list[StoppedError] = []

    def decide(reports: list[int], event: Progress | None) -> bool:
        if any(report & STOP for report in reports):
            ask_to_stop()
        try:
            if event is not None:
                listener(event)
            if stop_asked():
                raise StoppedError
        except StoppedError as error:
            stopped.append(error)
        failed, more = (any(report & flag for report in reports) for flag in (FAILED, MORE))
        return more and not failed and not stopped

    collected = computed(leader.group, work, of, count, decide)
    if stopped:
        raise stopped[0]
    if (error := first_error([error for _, error in collected])) is not None:
        raise error
    found = {position: value for values, _ in collected for position, value in values.items()}
    return [found[position] for position in range(count)]


def computed(
    group: Group,
    work: InSteps,
    of: Any,
    count: int,
    decide: Callable[[list[int], Progress | None], bool],
    stopped: Callable[[], bool] = lambda: False,
) -> list[tuple[dict[int, Parameters], TnasError | None]]:
    """Compute this process's tasks in step with the others; returns for the leader what each process has found, with
    its error. decide: of the leader, whether all go on; by all reports and what its own first task says."""
    tasks = {position: work.steps(of, position) for position in share(group.rank, group.size, count)}
    found: dict[int, Parameters] = {}
    while True:
        event, error = tried(lambda: _step(tasks, found), None)
        report = (STOP if stopped() else 0) | (FAILED if error else 0) | (MORE if tasks else 0)
        reports = group.gather(torch.tensor([float(report)]))
        go_on = torch.tensor([float(group.rank == 0 and decide([int(one) for one in reports], event))])
        group.broadcast(go_on)
        if not go_on:
            return group.collect((found, error))


def _step(tasks: dict[int, Steps], found: dict[int, Parameters]) -> Progress | None:
    """A step of each task that is not done, by one thread of PyTorch; returns what the first one reports."""

    def one(position: int) -> Progress | None:
        try:
            return next(tasks[position])
        except StopIteration as end:
            found[position] = {name: tensor.detach().cpu() for name, tensor in end.value.items()}
            return None
        except TnasError as error:
            error.position = position  # type: ignore[attr-defined]
            raise

    events = by_one_thread(one, list(tasks))
    for position in found:
        tasks.pop(position, None)
    return next(filter(None, events), None)


def stacked(found: list[Parameters], device: torch.device) -> Parameters:
    """What tasks came to, [T, ...], of each [1, ...]."""
    values: list[dict[str, Tensor]] = [dict(one) for one in found]
    return {name: torch.cat([one[name] for one in values]).to(device) for name in values[0]}
