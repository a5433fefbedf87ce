"""Whether this process is one of several that work on a run together, and which one.

The leader, rank 0, lives the life of a run as a single process does: it alone holds the state, writes, stops and
decides. The others hold nothing that must be kept: they compute what it asks for, and end as it ends. `scale/leader.py`
and `scale/follower.py` know how; here is what the life of a run (`job.py`) asks of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from tnas_cli.records.results import Result

if TYPE_CHECKING:
    from tnas_cli.runs.device import Machine
    from tnas_cli.runs.recipe import Recipe, Work

R = TypeVar("R", bound=Result)

#: What torchrun tells each process that it starts.
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class Ranks(Protocol):
    """A group of processes, as one of its members sees it. `leads`: whether this one has the run."""

    leads: bool
    size: int

    def follow(self) -> Result:
        """Compute what the leader asks for until its work on a run has ended; returns its result, or raises its error.
        Never called where `leads`."""

    def made_before(self) -> Path | None:
        """The run that this command has made already, if its processes were ended and started again since."""

    def made(self, run: Path) -> None:
        """Remember the run that this command has just made."""

    def ready(self, recipe: Recipe, machine: Machine, work: Work) -> None:
        """Have the others prepare the same work. Raises the first error of any of them, SettingsError for work that one
        process does alone, and TnasError where another one has other data or another version."""

    def end(self, outcome: Result | BaseException) -> None:
        """Tell the others that the work on this run has ended."""


class Unled:
    """A process that leads no others: it has nothing to tell them."""

    size = 1

    def made_before(self) -> Path | None:
        return None

    def made(self, run: Path) -> None:
        pass

    def ready(self, recipe: Recipe, machine: Machine, work: Work) -> None:
        pass

    def end(self, outcome: Result | BaseException) -> None:
        pass


class Alone(Unled):
    """The only process."""

    leads = True

    def follow(self) -> Result:
        raise AssertionError("it has nobody to follow")


_here: list[Ranks] = [Alone()]


def here() -> Ranks:
    """The group that this process belongs to."""
    return _here[-1]


def set_here(ranks: Ranks) -> None:
    """From now on this process belongs to this group; `Alone()` leaves it."""
    _here[-1] = ranks


def started_by_torchrun() -> bool:
    """Whether this process was started as one of a group."""
    return all(name in os.environ for name in VARIABLES)


def local_rank() -> int:
    """Which process of the group on this machine, from 0."""
    return int(os.environ["LOCAL_RANK"]) if started_by_torchrun() else 0


def on_this_machine() -> int:
    """How many processes of the group share this machine's cores."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))) if started_by_torchrun() else 1


def together(lead: Callable[[], R], kind: type[R]) -> R:
    """What `lead` returns, if this process leads; if it follows, the same after it has helped. So for errors."""
    ranks = here()
    if not ranks.leads:
        found = ranks.follow()
        assert isinstance(found, kind)
        return found
    try:
        result = lead()
    except BaseException as error:
        ranks.end(error)
        raise
    ranks.end(result)
    return result
