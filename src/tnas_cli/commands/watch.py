"""`tnas watch` as a function: follow a run that another process works on, until it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Record
from tnas_cli.records.run_list import WatchResult
from tnas_cli.runs.contents import LOG, is_run
from tnas_cli.runs.events import Listener, ignore
from tnas_cli.runs.files import exists
from tnas_cli.runs.lock import Holder, holder_of
from tnas_cli.runs.log_reader import LogReader, tail
from tnas_cli.runs.run_file import NAME, RunFile
from tnas_cli.runs.summary import accuracy_of, result_of
from tnas_cli.runs.watched import Watched

SECONDS_BETWEEN_LOOKS = 0.5
#: How long the process that makes a run may take until it holds its lock.
SECONDS_TO_BEGIN = 2.0


def watch(run: Path, *, listener: Listener = ignore) -> Iterator[Record]:
    """Yield the records of a run's log as they come, and at the end a WatchResult, which says how the run ended.

    listener: hears `events.Seen` for each stage that has changed. Nothing is written, and the run's lock is not taken.
    A run that nobody works on has ended. Raises DataError for a folder that is missing or no run, and for a damaged
    file of it.
    """
    check_run(run)
    old = result_of(run) is not None and not exists(run / NAME)  # of version 0.1, which has no run.json
    log, watched = LogReader(run / LOG), None if old else Watched(run, RunFile.read(run))
    while True:
        # The order matters: what a process wrote before it gave the lock back is read after that.
        holder = holder_of(run)
        records = log.new()
        yield from records
        if watched is not None:
            for seen in watched.look(records):
                listener(seen)
        if _has_ended(run, holder):
            yield ending(run, holder)
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def check_run(run: Path) -> None:
    """Raises DataError unless the folder is a run."""
    if not exists(run):
        raise DataError(f"{run} does not exist.", hint="to see the runs of a folder, run: tnas runs DIR")
    if not is_run(run):
        raise DataError(f"{run} is not a run.", hint="name the folder of a search or of a training")


def ending(run: Path, holder: Holder | None) -> WatchResult:
    """How a run is now: finished, running, stopped, or gone with the process that held it. Raises DataError for a
    damaged result."""
    result = result_of(run)
    reached = accuracy_of(result, tail(run / LOG))
    if holder is not None:
        return WatchResult(run=str(run), state="gone" if holder.gone else "running", **reached)
    finished = result is not None and result.complete
    return WatchResult(run=str(run), state="finished" if finished else "stopped", **reached)


def _has_ended(run: Path, holder: Holder | None) -> bool:
    if holder is not None:
        return holder.gone
    if exists(run / LOG):
        return True
    try:
        return time.time() - (run / NAME).stat().st_mtime > SECONDS_TO_BEGIN
    except OSError:
        return True
