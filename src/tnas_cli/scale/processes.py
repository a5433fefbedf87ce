"""The same work for several items, some at a time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tnas_cli.errors import TnasError
from tnas_cli.runs.events import Event
from tnas_cli.runs.files import refused
from tnas_cli.runs.interrupt import SIGNALS, StoppedError, StopRequest, stop_request
from tnas_cli.scale.gpus import one_gpu

#: Work(item, listener): computes, keeps its results in files, and ends early with StoppedError where a stop was asked
#: for. It is sent to the processes, so it must be picklable. One with `on_gpu` true computes on a GPU where there is
#: one, of which each process has its own.
Work = Callable[[int, Callable[[Event], None]], None]

SECONDS_BETWEEN_LOOKS = 0.2

#: A process must be able to leave the terminal's group: Ctrl-C then reaches only this one, and it asks the others to
#: save.
AVAILABLE = hasattr(os, "setsid")

_STOP = -1


@dataclass
class Process:
    """A process that works on one `item` at a time; None: it is idle. `folder`: its own, if it needs one."""

    handle: Any
    pipe: Connection
    item: int | None = None
    folder: Path | None = None

    def give(self, item: int) -> None:
        """The next item to work on."""
        self.item = item
        self.pipe.send(item)

    def ask_to_stop(self) -> None:
        """It saves its item and reports StoppedError; an idle one ends."""
        with suppress(OSError):
            self.pipe.send(_STOP)


def side_by_side(work: Work, items: Iterator[int], count: int, heard: Callable[[int, Event], None]) -> None:
    """Do `work` for all `items`, `count` at a time; an item is asked for only when a process is free for it.

    heard: called with an item and each of its events. An error in one process stops the others, which save what they
    have, and is raised here. Ctrl-C does the same and raises StoppedError. Raises TnasError when a process is killed.
    """
    context = multiprocessing.get_context("spawn")
    processes: list[Process] = []
    failure: BaseException | None = None
    with stop_request() as stop:
        try:
            while True:
                for process in processes:
                    if process.item is None and (item := next(items, None)) is not None:
                        process.give(item)
                while len(processes) < count and all(process.item is not None for process in processes):
                    if (item := next(items, None)) is None:
                        break
                    processes.append(started(context, work, item))
                busy = [process for process in processes if process.item is not None]
                if not busy:
                    break
                failure = listen(busy, heard)
                if stop:
                    failure = StoppedError()
                if failure is not None:
                    _stop(busy, heard)
                    break
        finally:
            end(processes)
    if failure is not None:
        raise failure


def started(context: Any, work: Work, item: int) -> Process:
    """A new process of a multiprocessing context that begins with this item."""
    ours, theirs = context.Pipe()
    handle = context.Process(target=_child, args=(theirs, work), daemon=True)
    # A signal to all processes waits until the new one can listen.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        handle.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    process = Process(handle, ours)
    process.give(item)
    return process


def listen(busy: list[Process], heard: Callable[[int, Event], None]) -> BaseException | None:
    """Pass on what has arrived; returns the first failure, if any."""
    ready = wait([process.pipe for process in busy], SECONDS_BETWEEN_LOOKS)
    for process in busy:
        if process.pipe not in ready:
            continue
        item = process.item
        assert item is not None
        try:
            kind, value = process.pipe.recv()
        except (EOFError, ConnectionResetError):
            process.item = None
            process.handle.join()
            return TnasError(
                f"a process of this run ended unexpectedly (exit code {process.handle.exitcode}).",
                hint="it may have been short of memory; finished work is kept: resume it with fewer at a time",
            )
        if kind == "event":
            heard(item, value)
            continue
        process.item = None
        if kind == "failed":
            return value  # type: ignore[no-any-return]
    return None


def _stop(busy: list[Process], heard: Callable[[int, Event], None]) -> None:
    """Ask the others to save and end, and wait for them."""
    for process in busy:
        if process.item is not None:
            process.ask_to_stop()
    while any(process.item is not None for process in busy):
        listen([process for process in busy if process.item is not None], heard)


def end(processes: list[Process]) -> None:
    """End idle processes, and others where they are."""
    for process in processes:
        process.ask_to_stop()
        process.pipe.close()
    for process in processes:
        process.handle.join(timeout=10)
        if process.handle.is_alive():
            process.handle.kill()  # what it has saved is whole
            process.handle.join()


def _child(pipe: Connection, work: Work) -> None:
    """The life of a process: item after item, until there are no more.

    It ends with the one that started it, however that ends: the run is free then, and another process may work on it.
    """
    if AVAILABLE:
        os.setsid()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with stop_request() as stop:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _work_on(pipe, work, stop)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _next(pipe: Connection, stop: StopRequest) -> int:
    """The next item, or `_STOP`: also after a signal, which the process may get alone."""
    while not stop:
        if pipe.poll(SECONDS_BETWEEN_LOOKS):
            return int(pipe.recv())
    return _STOP


def _work_on(pipe: Connection, work: Work, stop: StopRequest) -> None:
    def stopped() -> bool:
        try:
            if pipe.poll() and pipe.recv() == _STOP:
                stop.asked = True
        except (EOFError, OSError):  # nobody listens any more
            stop.asked = True
        return bool(stop)

    def listener(event: Event) -> None:
        try:
            pipe.send(("event", event))
        except OSError:
            stop.asked = True
        stopped()

    waiting = getattr(work, "on_gpu", False)
    with suppress(EOFError, OSError), ExitStack() as gpu:
        while (item := _next(pipe, stop)) != _STOP:
            try:
                if waiting:
                    gpu.enter_context(one_gpu(stopped, listener))
                    waiting = False
                work(item, listener)
            except (TnasError, StoppedError, KeyboardInterrupt) as error:
                pipe.send(("failed", error))
            except OSError as error:
                pipe.send(("failed", refused(error)))
            except Exception as error:
                if os.environ.get("TNAS_DEBUG") == "1":
                    traceback.print_exc()  # it cannot be sent
                unexpected = f"unexpected {type(error).__name__}: {error}"
                pipe.send(("failed", TnasError(unexpected, hint="TNAS_DEBUG=1 shows where")))
            else:
                pipe.send(("done", None))
