"""The account of a user's files, kept from the walk over folders to the last image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tnas_cli.plain import json_value
from tnas_cli.records.account import Fate, InputAccount, Noted
from tnas_cli.records.codec import decode

#: How many files of each kind are named in a record; all are counted.
NAMED = 100
#: Reasons that are told apart. Reasons may quote a file, and a folder may hold a million of them.
REASONS = 40
OTHER = "files for other reasons"

#: Is told how an image was converted, in words such as 'images with 16 bits, reduced to 8'.
Said = Callable[[str], None]


def unsaid(how: str) -> None:
    """For who does not want to know how an image was converted."""


class Account:
    """Collects what became of each file. The memory it takes does not grow with the number of files.

    Reasons are words such as 'files that are no images'.
    """

    def __init__(self) -> None:
        self.read = 0
        self.understood: list[str] = []
        self._counts: dict[tuple[Fate, str], int] = {}
        self._names: dict[tuple[Fate, str], list[str]] = {}

    def used(self, count: int = 1) -> None:
        """So many images are used."""
        self.read += count

    def understand(self, words: str) -> None:
        """How folders or a list were read, where that was a guess; said once."""
        if words not in self.understood:
            self.understood.append(words)

    def converted(self, how: str, name: str) -> None:
        """An image is used, but not as it is."""
        self._note("converted", how, name)

    def left_out(self, why: str, name: str, count: int = 1) -> None:
        """A file, or a folder with `count` of them, is not used."""
        self._note("left out", why, name, count)

    def duplicate(self, what: str, name: str) -> None:
        """An image is there twice; `what` says whether it is kept."""
        self._note("duplicate", what, name)

    def warn(self, what: str, name: str, count: int = 1) -> None:
        """An image is used, and a person should look at it."""
        self._note("warning", what, name, count)

    @contextmanager
    def said_of_errors(self) -> Iterator[None]:
        """An error within the block gets what is known so far as its notes, which are shown before it."""
        try:
            yield
        except Exception as error:
            for line in self.record().lines():
                error.add_note(line)
            raise

    def _note(self, fate: Fate, why: str, name: str, count: int = 1) -> None:
        key = (fate, why)
        if key not in self._counts and len(self._counts) >= REASONS:
            key = (fate, OTHER)
        self._counts[key] = self._counts.get(key, 0) + count
        names = self._names.setdefault(key, [])
        if len(names) < NAMED and name not in names:
            names.append(name)

    def record(self) -> InputAccount:
        """What is known so far: entries by fate, in the order in which they were met."""
        order: tuple[Fate, ...] = ("left out", "duplicate", "converted", "warning")
        noted = [
            Noted(fate=fate, why=why, count=count, names=tuple(self._names[fate, why]))
            for (fate, why), count in self._counts.items()
        ]
        noted.sort(key=lambda one: order.index(one.fate))
        return InputAccount(read=self.read, understood=tuple(self.understood), noted=tuple(noted))


def to_text(account: InputAccount) -> str:
    """The account as JSON, for an attribute of a file."""
    return json.dumps(account.to_json())


def from_text(text: str) -> InputAccount:
    """The account that `to_text` wrote; raises ValueError for other text."""
    values = json_value(text)
    if not isinstance(values, dict):
        raise ValueError("the account is no object")
    return decode(InputAccount, values)
