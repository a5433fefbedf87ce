"""One trial: a command in a process of its own is killed, continued, and compared with an undisturbed one.

The processes are forked from this one, in which everything is imported: a trial costs little more than its work.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import itertools
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer.main

from tests.killing.borders import Killer, by_python, install
from tests.killing.disk import Call, Journal
from tests.killing.jobs import TINY, Job
from tests.killing.same import differences, facts, lines
from tests.running import Argument, tnas
from tnas_cli.settings import preset

#: A command that takes longer hangs, also on a busy machine.
PATIENCE = 3600.0

commands = functools.cache(typer.main.get_command)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, or minus the signal; what it wrote; how long it took; whether it ended before
    any of its signals came."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    missed: bool


@dataclass
class Undisturbed:
    """A command that nobody killed: what it left, what it printed, how long it took, and its calls."""

    facts: dict[str, Any]
    stdout: list[Any]
    seconds: float
    borders: int
    calls: list[Call] = field(repr=False)


def run(
    root: Path,
    arguments: Sequence[Argument],
    *,
    stdin: Path | None = None,
    hook: Callable[[], None] = lambda: None,
    at: Sequence[tuple[float, int]] = (),
    alone: bool = True,
) -> Ended:
    """`tnas ARGUMENTS` in a new process in the folder `root`; `at`: seconds after which it gets signals, in order.

    alone: one process does all, and seconds are those of its computing: another program on the machine changes nothing.
    """
    streams = [root.with_name(f"{root.name}.{name}") for name in ("out", "err")]
    ready, started = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(root, arguments, stdin, streams, hook, started)
    os.close(started)
    os.read(ready, 1)
    os.close(ready)
    clock = ~pid << 3 | 2 if alone else time.CLOCK_MONOTONIC  # clock_getcpuclockid(3)
    begin, patience, left, seconds = time.clock_gettime(clock), time.monotonic() + PATIENCE, list(at), 0.0
    while not (status := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
        if time.monotonic() > patience:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Ended(-signal.SIGALRM, "", f"no end after {PATIENCE:g} s", PATIENCE, False)
        seconds = time.clock_gettime(clock) - begin
        if left and seconds >= left[0][0]:
            os.kill(pid, left.pop(0)[1])
        time.sleep(0.001)
    seconds = time.clock_gettime(clock) - begin
    os.waitpid(pid, 0)
    code = status.si_status if status.si_code == os.CLD_EXITED else -status.si_status
    out, err = (stream.read_text(errors="replace") for stream in streams)
    return Ended(code, out, err, seconds, len(left) == len(at) > 0)


def _become(
    root: Path,
    arguments: Sequence[Argument],
    stdin: Path | None,
    streams: Sequence[Path],
    hook: Callable[[], None],
    started: int,
) -> None:
    """The life of the new process; does not return."""
    code = 70
    try:
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            signal.signal(number, handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        for descriptor, stream in enumerate(streams, start=1):
            opened = os.open(stream, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(opened, descriptor)
            os.close(opened)
        sys.stdin = io.StringIO("" if stdin is None else stdin.read_text())
        sys.stdout, sys.stderr = (os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
        sys.argv = ["tnas", *map(str, arguments)]
        os.chdir(root)
        quick()
        hook()
        os.write(started, b"!")
        code = _main()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main() -> int:
    from tnas_cli.cli.main import main

    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def quick() -> None:
    """A line of the log for every step, a checkpoint for every second event, and processes that are forked."""
    from tnas_cli.runs import drive

    by_python()
    drive.time = SimpleNamespace(monotonic=itertools.count().__next__)  # type: ignore[assignment]
    drive.SECONDS_BETWEEN_LOG_LINES, drive.SECONDS_BETWEEN_CHECKPOINTS = 0.0, 2.0
    context = multiprocessing.get_context("fork")
    multiprocessing.get_context = lambda method=None: context  # type: ignore[assignment]


_published = functools.cache(preset.presets)


def _with_tiny(kind: preset.Kind) -> dict[str, dict[str, Any]]:
    return _published(kind) | {"tiny": TINY.get(kind, {})}


def undisturbed(root: Path, job: Job) -> Undisturbed:
    """Run the command once, and write down what it does."""
    fresh(root, job)
    journal, kept = Journal(), root.with_name(f"{root.name}.journal")

    def hook() -> None:
        install(root, journal)
        exit_now = os._exit

        def leave(code: int) -> None:
            if os.getpid() == watched:
                kept.write_bytes(pickle.dumps((journal.borders, journal.calls)))
            exit_now(code)

        watched = os.getpid()
        os._exit = leave  # type: ignore[assignment]

    ended = run(root, job.arguments, stdin=job.stdin, hook=hook, alone=job.alone)
    assert ended.code == 0, f"{job.name}: {ended.stderr}"
    borders, calls = pickle.loads(kept.read_bytes())
    return Undisturbed(facts(root), _printed(ended), ended.seconds, borders, calls)


def warm(root: Path, job: Job) -> None:
    """Do the command once in this process, so that nothing is left to import in those that are forked."""
    typer.main.get_command = commands  # building all subcommands takes a tenth of a second
    preset.presets = _with_tiny
    if job.alone:
        fresh(root, job)
        with contextlib.chdir(root):
            tnas(*job.arguments, stdin="" if job.stdin is None else job.stdin.read_text())
    gc.collect()
    gc.freeze()


def fresh(root: Path, job: Job) -> None:
    """The folder as it is before the command."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    job.before(root)


def killed_at(root: Path, at: int, number: int, again: int | None = None) -> Callable[[], None]:
    """The hook that sends a signal at the n-th call on the disk, and again at another one."""
    return lambda: install(root, Killer(at, number, again))


def stopped(root: Path, job: Job, whole: bool) -> Path:
    """Make a folder in which the command was killed half-way, or never; returns it."""
    known = undisturbed(root, job)
    if not whole:
        fresh(root, job)
        run(root, job.arguments, stdin=job.stdin, hook=killed_at(root, known.borders // 2, signal.SIGKILL))
    return root


def continued(root: Path, job: Job, wanted: Undisturbed) -> list[str]:
    """What is wrong after the command was continued to its end; nothing, as it should be."""
    words = job.again(root)
    if not words:
        return differences(facts(root), wanted.facts)
    ended = run(root, words, stdin=job.stdin)
    if ended.code != 0:
        return [f"tnas {words[0]} ends with {ended.code}: {ended.stderr.strip().splitlines()[-2:]}"]
    wrong = differences(facts(root), wanted.facts)
    if _printed(ended)[-1:] != wanted.stdout[-1:]:
        wrong.append("its result differs")
    return wrong + ([] if wrong else _finished(root, job, wanted))


def _finished(root: Path, job: Job, wanted: Undisturbed) -> list[str]:
    """A run that is finished stays as it is, to the last byte."""
    words = job.again(root)
    if words[:1] not in (("resume",), ("reproduce",)) or "--hours" in words:
        return []
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    ended = run(root, words)
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    same = ended.code == 0 and before == after and _printed(ended)[-1:] == wanted.stdout[-1:]
    return [] if same else ["a finished run did not stay as it was"]


def printed_before(ended: Ended, wanted: Undisturbed) -> list[str]:
    """What is wrong with the records that a killed command had printed: each whole, none twice, in order."""
    whole = ended.stdout[: ended.stdout.rfind("\n") + 1]
    try:
        found = lines(whole)
    except json.JSONDecodeError:
        return []  # no records, but words
    return [] if found == wanted.stdout[: len(found)] else ["the records on stdout are not those of its beginning"]


def _printed(ended: Ended) -> list[Any]:
    try:
        return lines(ended.stdout)
    except json.JSONDecodeError:
        return [ended.stdout]
