"""What became of a user's files: the account that preparing, adapting and predicting give of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count

#: How many files a line names.
SHOWN = 5
#: converted: used, but not as it was. duplicate: the same picture is there already. warning: used, and doubtful.
Fate = Literal["converted", "left out", "duplicate", "warning"]


@dataclass(frozen=True, kw_only=True)
class Noted(Part):
    """Files that were treated alike (`fate`) and why; how many (`count`), and the names of the first ones."""

    fate: Fate
    why: str
    count: Count
    names: tuple[str, ...]

    def line(self) -> str:
        """One line for a person: 'left out: files that are no images (3): a.txt, b.txt, c.txt'."""
        more = ", ..." if self.count > SHOWN and len(self.names) >= SHOWN else ""
        named = f": {', '.join(self.names[:SHOWN])}{more}" if self.names else ""
        return f"{self.fate}: {self.why} ({self.count:,}){named}"


@dataclass(frozen=True, kw_only=True)
class InputAccount(Part):
    """What became of a user's files: how many images were `read` and used; how the folders or the list were
    `understood`, where that was a guess; and files that were `noted` because they were converted, left out, occur
    twice, or are doubtful, one entry per reason."""

    read: Count
    understood: tuple[str, ...] = ()
    noted: tuple[Noted, ...] = ()

    def lines(self) -> list[str]:
        """One line for a person per entry; none where every file was used as it is."""
        return [*(f"understood: {words}" for words in self.understood), *(one.line() for one in self.noted)]

    def brief(self) -> InputAccount:
        """With no more names than a line shows."""
        return replace(self, noted=tuple(replace(one, names=one.names[:SHOWN]) for one in self.noted))

    def count(self, fate: Fate) -> int:
        """How many files were treated so."""
        return sum(one.count for one in self.noted if one.fate == fate)
