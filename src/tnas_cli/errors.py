"""Every error a user can meet, with its exit code.

    TnasError                 1  something failed
    ├── DivergedError         1  a loss, a gradient or a parameter is no longer a number
    ├── SettingsError         2  usage: an option or a preset has a value that cannot work
    ├── DataError             3  data missing or unreadable
    ├── CheckpointError       4  a checkpoint cannot be read or is of the wrong kind
    ├── GenotypeError         4  a genotype or an adapted record cannot be read
    ├── ExpectationError      5  `report --check`: a result is missing, or outside its expected range
    ├── WriteError            1  a file cannot be written; the earlier one is kept
    ├── LostRankError         1  a process of a group has ended, or cannot be reached any more
    └── Interrupted         130  stopped by the user, with a checkpoint saved

A message says what went wrong and which value or path it concerns; the hint says what to do or which command to run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from tnas_cli.spelling import visible

#: How many of several errors are said at once.
REASONS = 5


class TnasError(Exception):
    """Base of all errors that are shown to the user as one paragraph and a hint."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{visible(self.message)}\nhint: {visible(self.hint)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is pickled without its keyword arguments, and another process could not send it back.
        return _again, (type(self), self.message, self.hint)


def _again(kind: type[TnasError], message: str, hint: str) -> TnasError:
    return kind(message, hint=hint)


class DivergedError(TnasError):
    """A task's loss, gradient or parameters are no longer numbers. `what` says how it diverged, after `task`, its name.

    position: its place in the batch it was computed with; None where the task has its own name. outer: whether
    lower inner rates cannot help.
    """

    def __init__(
        self, what: str, *, hint: str, task: str = "", position: int | None = None, outer: bool = False
    ) -> None:
        self.what, self.position, self.outer = what, position, outer
        self.task = task or ("a task" if position is None else f"task {position} of a batch")
        super().__init__(f"{self.task} {what}", hint=hint)

    def named(self, task: str) -> DivergedError:
        """The same about a task of this name."""
        return DivergedError(self.what, hint=self.hint, task=task, outer=self.outer)

    def advised(self, hint: str) -> DivergedError:
        """The same with another hint."""
        return DivergedError(self.what, hint=hint, task=self.task, position=self.position, outer=self.outer)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(DivergedError, hint=self.hint, task=self.task, position=self.position, outer=self.outer), (
            self.what,
        )


class LostRankError(TnasError):
    """A process of the group that works on a run has ended, or cannot be reached any more."""


class SettingsError(TnasError):
    """An option, a preset or a combination of them cannot work."""

    exit_code = 2


class DataError(TnasError):
    """Images, a data set or a cache are missing or cannot be read."""

    exit_code = 3


class CheckpointError(TnasError):
    """A checkpoint is missing, damaged, of another kind or of a newer version."""

    exit_code = 4


class GenotypeError(TnasError):
    """A genotype, or a record that should carry one, cannot be used."""

    exit_code = 4


class ExpectationError(TnasError):
    """Results do not meet a file of expectations."""

    exit_code = 5


class WriteError(TnasError):
    """A file cannot be written; an earlier one of its name is whole."""


class Interrupted(TnasError):  # noqa: N818  an interrupt by the user is not an error
    """The user stopped the work; what was finished is saved."""

    exit_code = 130


def reasons(messages: Sequence[str]) -> str:
    """The messages of several errors as one sentence; of many the first ones."""
    said = [message.rstrip(".") for message in messages[:REASONS]]
    return "; ".join([*said, "..."]) if len(messages) > REASONS else f"{'; '.join(said)}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Sentence that suggests the nearest known name, or lists all of them.

    >>> did_you_mean("omniglott", ["glyphs", "omniglot"])
    "did you mean 'omniglot'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
