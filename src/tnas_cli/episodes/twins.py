"""Pictures that occur more than once: in their class, in another class, or in another split.

Two pictures are the same if a network would see the same pixels, whatever their files hold. A few bytes of each are
kept.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.account import Account

IN_CLASS = "images that are in their class already"
KEPT, LEFT = ", kept", ", left out"
ACROSS_CLASSES = "images that are in another class too, kept"
ACROSS_SPLITS = "images that are in another split too, kept"


class Twins:
    """Sees every picture once, class by class. Those of one class are left out unless `keep_all`; those of several
    classes are kept and told: nobody but the user knows which class is right."""

    def __init__(self, account: Account, *, keep_all: bool) -> None:
        self._account, self._keep_all = account, keep_all
        self._first: dict[int, int] = {}  # the number of the first picture with a content
        self._labels: list[str] = []  # of the pictures, and the numbers of their classes
        self._class_of: list[int] = []
        self._classes: dict[tuple[str, str], int] = {}
        self._here: set[int] = set()

    def is_new(self, pixels: npt.NDArray[np.uint8], label: str, name: str, split: str) -> bool:
        """Whether a picture of a class is to be kept; the account is told of one that occurs again."""
        number = self._classes.setdefault((split, name), len(self._classes))
        if not self._class_of or number != self._class_of[-1]:
            self._here = set()
        content = digest(pixels)
        if content in self._here:
            self._account.duplicate(IN_CLASS + (KEPT if self._keep_all else LEFT), label)
            return self._keep_all
        self._here.add(content)
        first = self._first.setdefault(content, len(self._labels))
        self._labels.append(label)
        self._class_of.append(number)
        if first != len(self._labels) - 1:
            other = list(self._classes)[self._class_of[first]][0]
            self._account.duplicate(
                ACROSS_CLASSES if other == split else ACROSS_SPLITS, f"{self._labels[first]} = {label}"
            )
        return True


def digest(pixels: npt.NDArray[np.uint8]) -> int:
    """A number that two pictures share only if their pixels are the same."""
    return int.from_bytes(hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest())
