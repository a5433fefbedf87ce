"""Where units of work run: one after another in this process, some at a time in others, or on a cluster.

All forms do the same `Work` for the same items and end alike; whoever has units does not know which form it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from tnas_cli.errors import TnasError
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Listener
from tnas_cli.scale.over_cluster import over_cluster
from tnas_cli.scale.processes import Work, side_by_side


class Form(Protocol):
    """A place for units. heard: called with an item and each of its events; listener: hears of the place itself.
    Returns the errors of items that were set aside. Raises the error of an item that no other try can help, and
    StoppedError with everything saved."""

    def __call__(
        self, items: Iterator[int], heard: Callable[[int, Event], None], listener: Listener
    ) -> dict[int, TnasError]:
        """Do the work for all items; an item is asked for only when there is room for it."""


def here(work: Work) -> Form:
    """One item after another, in this process."""

    def form(items: Iterator[int], heard: Callable[[int, Event], None], listener: Listener) -> dict[int, TnasError]:
        for item in items:
            work(item, partial(heard, item))
        return {}

    return form


def in_processes(work: Work, count: int) -> Form:
    """`count` items at a time, each in a process of its own."""

    def form(items: Iterator[int], heard: Callable[[int, Event], None], listener: Listener) -> dict[int, TnasError]:
        side_by_side(work, items, count, heard)
        return {}

    return form


def on_cluster(work: Work, address: ClusterAddress, seen: Path, again: str | None = None) -> Form:
    """On the workers of a cluster that see the file `seen`. again: what goes on if the scheduler is lost."""

    def form(items: Iterator[int], heard: Callable[[int, Event], None], listener: Listener) -> dict[int, TnasError]:
        return over_cluster(address, work, items, seen, heard, listener, again)

    return form
