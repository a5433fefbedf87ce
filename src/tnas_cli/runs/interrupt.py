"""Ctrl-C asks a long computation to stop at the next safe point; a second Ctrl-C stops it at once.

SIGTERM (a cluster, `kill`) and SIGHUP (a terminal that went away) mean the same.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: Windows has no SIGHUP.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StoppedError(Exception):
    """Work ended early because the user asked for it; what was finished is saved."""


class StopRequest:
    """True once the user has asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


#: The request of the current block, so that nested blocks share one.
_current: list[StopRequest] = []


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within the block a signal is noted instead of raised; the second one raises KeyboardInterrupt.

    A nested block gives the same request. Outside the main thread nothing changes.
    """
    if _current:
        yield _current[-1]
        return
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True

    before = {number: signal.signal(number, note) for number in _heard()}
    _current.append(request)
    try:
        yield request
    finally:
        _current.pop()
        _restore(before)


def _heard() -> list[signal.Signals]:
    """The signals that are not ignored: `nohup` makes a process ignore SIGHUP, and it must go on then."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def ask_to_stop() -> None:
    """Ask the block that this process is in to stop, as a signal does."""
    if _current:
        _current[-1].asked = True


def stop_asked() -> bool:
    """Whether the block that this process is in was asked to stop."""
    return bool(_current and _current[-1])


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, so that half-written files are
    removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _heard()}
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def signals_later() -> Iterator[Callable[[], None]]:
    """Within the block signals wait, for a library that breaks where a function of ours that it calls raises. They
    arrive whenever what the block is given is called, and at its end. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    waiting: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append(number)

    def arrive() -> None:
        if waiting:
            _restore(before)
            try:
                while waiting:
                    signal.raise_signal(waiting.pop(0))
            finally:
                for number in before:
                    signal.signal(number, wait)

    before = {number: signal.signal(number, wait) for number in _heard()}
    try:
        yield arrive
    finally:
        _restore(before)
        while waiting:
            signal.raise_signal(waiting.pop(0))


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Handlers of signals that a library sets within the block are taken away at its end: dask-jobqueue sets one where
    it is imported."""
    before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not None}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            _restore(before)


def _restore(before: Mapping[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
