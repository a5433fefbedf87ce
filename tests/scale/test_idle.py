"""Processes of a worker that wait for the next unit: none is started anew while there are units, and none stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe

import pytest

from tnas_cli.scale import unit
from tnas_cli.scale.processes import Process


class Handle:
    """A process that lives until it is joined."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def is_alive(self) -> bool:
        return not self.ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        self.ended.set()


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Process]]:
    """Makes idle processes; they wait for half a second."""
    monkeypatch.setattr(unit, "SECONDS_IDLE", 0.5)
    pipes = []

    def made() -> Process:
        pipes.append(Pipe())
        return Process(Handle(), pipes[-1][0])

    yield made
    for timer in list(unit._timers):
        timer.cancel()
    unit._timers.clear()
    unit._idle.clear()


def test_thousands_of_short_units_need_one_process_and_one_timer(process: Callable[[], Process]) -> None:
    """They go on for longer than a process waits: it is idle only since its last unit."""
    one, threads, until = process(), threading.active_count(), time.monotonic() + 1.2
    units = 0
    while time.monotonic() < until:
        unit._keep("run", one)
        assert unit._waiting("run") is one
        assert threading.active_count() <= threads + 2  # the timer, and the next one, which it starts before it ends
        units += 1
    assert units > 1000 and one.handle.is_alive()


def test_what_waits_for_too_long_ends_and_what_came_later_waits_on(process: Callable[[], Process]) -> None:
    first, second = process(), process()
    unit._keep("run", first)
    time.sleep(0.3)
    unit._keep("other run", second)
    first.handle.ended.wait(5)
    assert second.handle.is_alive() and unit._waiting("run") is None
    second.handle.ended.wait(5)
    assert unit._waiting("other run") is None and not unit._timers
