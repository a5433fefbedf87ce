"""Which calls of a plan may run at the same time.

A plan is cut into phases. In each, every share of the images has calls of its own, which need nothing that another
share does in this phase; when all have come to their end, one thread runs the calls that are nobody's share. Loops over
images come one after the other without a pause: an image is always of the same share.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Who runs a call: every share for its own images; one thread, when all shares have come so far; else a share's number.
EVERY, ALONE = -1, -2


@dataclass
class Phase:
    """The calls of each share, then those of one thread, as numbers of what was added."""

    parts: list[list[int]]
    alone: list[int] = field(default_factory=list)
    loops: bool = False
    divided: bool = False


class Phases:
    """Sorts calls, in their order, into as few phases as they need."""

    def __init__(self, shares: int) -> None:
        self.shares = shares
        self.all: list[Phase] = []
        self.starts: list[int] = []
        self._open = False

    def add(self, row: int, by: int, *, loop: bool = False) -> None:
        """What begins at a row of the plan, and goes on until the next that is added: a call, or a loop over images."""
        number = len(self.starts)
        self.starts.append(row)
        if self.shares == 1:
            by = 0  # everything in its order
        divided = by >= 0 and self.shares > 1
        last = self.all[-1] if self._open else None
        if last is None or (by != ALONE and last.alone) or (loop and last.divided) or (divided and last.loops):
            last = Phase([[] for _ in range(self.shares)])
            self.all.append(last)
            self._open = True
        last.loops, last.divided = last.loops or loop, last.divided or divided
        if by == ALONE:
            last.alone.append(number)
        for part in last.parts if by == EVERY else last.parts[by : by + 1] if by >= 0 else ():
            part.append(number)

    def mark(self) -> int:
        """How many phases there are so far; what is added from now on is in later ones."""
        self._open = False
        return len(self.all)

    def rows_of(self, number: int, rows: int) -> range:
        """The plan's rows of what was added, where it has so many in all."""
        ends = (*self.starts[number + 1 : number + 2], rows)
        return range(self.starts[number], ends[0])
