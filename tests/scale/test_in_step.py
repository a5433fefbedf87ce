"""Tasks that a group computes in step: each by one member, to the same end for any number of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.recipes.test_recipes_supervised import TINY
from tests.running import succeeding
from tests.scale.test_kinds_on_a_cluster import options, signs, told
from tests.scale.test_torchrun import PATIENCE, torchrun
from tests.scale.thread_group import Meeting, ThreadGroup, together
from tnas_cli.errors import DivergedError, LostRankError
from tnas_cli.runs.events import Progress
from tnas_cli.runs.interrupt import StoppedError, stop_request
from tnas_cli.scale.in_step import computed, led, stacked
from tnas_cli.scale.leader import NUMBERS, Leader
from tnas_cli.scale.share import Steps

__all__ = ["signs"]

#: Tasks by how many steps they take.
TASKS = (3, 1, 4, 1, 5)


class Count:
    """Each task counts its steps; one with a negative number diverges at that step."""

    def steps(self, of: Sequence[int], position: int) -> Steps:
        for step in range(abs(of[position])):
            yield Progress("count", step + 1, abs(of[position]), "steps")
        if of[position] < 0:
            raise DivergedError("diverged.", hint="lower it", task=f"task {position}")
        return {"steps": torch.tensor([[position, of[position]]])}


def by_group(
    size: int,
    of: Sequence[int] = TASKS,
    stopped: Callable[[], bool] = lambda: False,
    leaves: int | None = None,
    heard: Callable[[Any], None] = lambda _: None,
) -> list[Any]:
    """What the leader returns, then what the others do; `stopped` is asked by the last of them, which may leave."""
    meeting = Meeting(size)
    groups = [ThreadGroup(meeting, rank, leaves if rank == size - 1 else None) for rank in range(size)]

    def follow(group: ThreadGroup) -> Any:
        group.broadcast(torch.zeros(NUMBERS, dtype=torch.float64))
        given, count = group.tell(None)
        asked = stopped if group.rank == size - 1 else lambda: False
        return computed(group, Count(), given, count, lambda *_: False, asked)

    def lead() -> Any:
        return led(Leader(groups[0], None), Count(), of, len(of), heard)

    return together([lead, *(lambda group=group: follow(group) for group in groups[1:])])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_every_task_is_computed_once_and_to_its_end(size: int) -> None:
    """Tasks of different lengths, and more members than tasks."""
    found, *others = by_group(size)
    assert stacked(found, torch.device("cpu"))["steps"].tolist() == [list(pair) for pair in enumerate(TASKS)]
    assert others == [[]] * (size - 1)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_error_of_the_first_task_is_raised(size: int) -> None:
    """Of those that fail at the same step: all stop there."""
    steps: list[int] = []
    found, *others = by_group(size, (9, -2, 9, -2), heard=lambda event: steps.append(event.done))
    assert isinstance(found, DivergedError) and found.message == "task 1 diverged."
    assert others == [[]] * (size - 1)
    assert max(steps) <= 3


def test_a_member_that_is_asked_to_stop_stops_all() -> None:
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(len(asked) >= 2)
        return asked[-1]

    with stop_request() as stop:
        found, *others = by_group(3, stopped=stopped)
        assert stop
    assert isinstance(found, StoppedError), found
    assert others == [[], []] and asked == [False, False, True]


def test_a_member_that_is_lost_is_noticed_after_a_step() -> None:
    found, *others = by_group(3, leaves=6)
    assert isinstance(found, LostRankError)
    assert all(isinstance(other, LostRankError) for other in others)


def test_supervised_searches_and_trainings(signs: Path, tmp_path: Path) -> None:
    """S1, then a training of each genotype: three processes for two tasks."""
    tiny = {**TINY, "channels": 8, "epochs": 1, "search_epochs": 1, "engine": "fused"}
    chosen = options({name: value for name, value in tiny.items() if name != "genotypes"})
    words = ("supervised", "--dataset", signs, "--method", "s1", *chosen, "--json")
    by_one = succeeding(*words, "--threads", 1, "--runs", tmp_path / "1")
    process = torchrun(3, *words, "--runs", tmp_path / "3", cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    (line,) = stdout.splitlines()
    assert told(json.loads(line)) == told(by_one.result)
