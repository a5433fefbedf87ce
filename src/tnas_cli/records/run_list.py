"""What `tnas runs` and `tnas watch` print: the runs of a folder, and how a run that was watched ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tnas_cli.records.fields import Count, Seconds, Share, Some, Way
from tnas_cli.records.kinds import Record
from tnas_cli.records.results import Result

#: finished: it has its result; running: a process works on it; stopped: `tnas resume` continues it; broken: neither a
#: report nor a resume can read it.
State: TypeAlias = Literal["finished", "running", "stopped", "broken"]


@dataclass(frozen=True, kw_only=True)
class ListedRun(Record):
    """A run of a folder, from `tnas runs`. What its files do not say is null.

    `command` made it, `method` found the architectures, or trained the fixed network. `state` is finished, running,
    stopped (it can be resumed) or broken; `reason` says why it is broken, which process works on it, or why it
    stopped. `done` of the `asked` `unit`s (tasks, batches, networks) are done, those of all its networks together;
    `asked` is null where a time limit or the data decide. `networks_done` of its `networks` are trained and tested.

    `accuracy` and the half-width of its 95% `interval` are shares of 1, `measured_on` test or validation tasks: the
    latter for a search, and for the training of one network that is not finished. `wall_seconds` is the time of the
    last call of a finished run, and of the call that works on a running one so far; a stopped run does not say it.
    `changed` is when a file of it last changed (ISO 8601, UTC).
    """

    event = "run"

    run: str
    state: State
    reason: str | None = None
    command: str | None
    method: str | None
    dataset: str | None
    way: Way | None
    shot: Some | None
    seed: int | None
    done: Count | None
    asked: Count | None
    unit: str | None
    networks: Some | None = None
    networks_done: Count | None = None
    accuracy: Share | None
    interval: Share | None
    measured_on: Literal["test", "validation"] | None = None
    wall_seconds: Seconds | None
    changed: str | None


@dataclass(frozen=True, kw_only=True)
class RunsResult(Result):
    """The runs of a `folder`: how many there are (`found`), and how many of them were listed, by state. `unreadable`
    are folders below it that the system does not show."""

    command = "runs"

    folder: str
    found: Count
    finished: Count
    running: Count
    stopped: Count
    broken: Count
    unreadable: tuple[str, ...] = ()

    @property
    def listed(self) -> int:
        """How many runs were listed."""
        return self.finished + self.running + self.stopped + self.broken


@dataclass(frozen=True, kw_only=True)
class WatchResult(Result):
    """How watching a `run` ended: it is finished, it was stopped, its process is gone (killed, or with its machine), or
    it is still running and was left. `accuracy` and `interval` are those of a finished run, `measured_on` test or
    validation tasks."""

    command = "watch"

    run: str
    state: Literal["finished", "stopped", "gone", "running"]
    accuracy: Share | None
    interval: Share | None
    measured_on: Literal["test", "validation"] | None = None
