"""The command as one of several processes that torchrun started: one of them speaks, and all end with its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import TextIOBase

from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.runs.ranks import Alone, set_here

#: What several processes can do together.
COMMANDS = ("search", "train-eval", "supervised", "transfer", "resume")

#: How long a process with an error waits to hear whether the leader has it, too, and has said it.
TO_SPEAK = timedelta(seconds=10)

#: What the leader leaves for the others when it has said everything.
SAID = "said"


def over_ranks(run: Callable[[], int]) -> int:
    """`run` as a member of the group; returns the exit code."""
    from tnas_cli.scale.follower import Follower
    from tnas_cli.scale.leader import Leader
    from tnas_cli.scale.torch_group import TorchGroup

    try:
        group = TorchGroup()
    except (RuntimeError, ValueError) as error:
        words = TnasError(
            f"the processes of torchrun did not find each other ({str(error).splitlines()[0][:200]}).",
            hint="start all of them at the same time, with the same torchrun options",
        )
        sys.stderr.write(f"error: {words}\n")
        return words.exit_code
    try:
        if group.rank == 0:
            set_here(Leader(group, group.store))
            code = _refused() or run()
            sys.stderr.flush()
            group.attempt.set(SAID, str(code))
            return code
        follower = Follower(group)
        set_here(follower)
        with _quiet() as errors:
            code = _refused() or run()
        # torchrun ends the others when one has failed: the leader speaks first.
        said = _said(group.attempt) if code and not follower.lost else None
        if said is None and not follower.told and errors.last:
            sys.stderr.write(f"rank {group.rank}: {errors.last}")
        return code
    finally:
        set_here(Alone())
        group.leave()


def _refused() -> int:
    """The exit code of a command that several processes cannot do together, which is said; 0 for others."""
    words = sys.argv[1:]
    error = None
    if words and words[0] not in COMMANDS and not words[0].startswith("-"):
        error = SettingsError(f"tnas {words[0]} is one process's work.", hint="leave torchrun out")
    elif "-" in words:
        error = SettingsError(
            "torchrun has no standard input for all.", hint="write the records to a file, and name it"
        )
    elif others := [word for word in words if word.split("=")[0] in ("--side-by-side", "--cluster")]:
        error = SettingsError(f"{others[0]} has no effect with torchrun.", hint="leave one of them out")
    if error is None:
        return 0
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code


def _said(store: object) -> str | None:
    """What the leader has left; None if it has ended, or does not end, without a word."""
    with suppress(RuntimeError):
        store.wait([SAID], TO_SPEAK)  # type: ignore[attr-defined]
        return str(store.get(SAID).decode())  # type: ignore[attr-defined]
    return None


class _Quiet(TextIOBase):
    """A stream that shows nothing, and keeps the last error."""

    last = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text.startswith("error: "):
            self.last = text
        return len(text)


@contextmanager
def _quiet() -> Iterator[_Quiet]:
    """Within the block this process says nothing."""
    before, quiet = (sys.stdout, sys.stderr), _Quiet()
    sys.stdout = sys.stderr = quiet
    try:
        yield quiet
    finally:
        sys.stdout, sys.stderr = before
