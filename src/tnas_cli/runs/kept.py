"""The checkpoints of the best validations, for methods that answer test tasks with several of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Kept:
    """Files `top-<tasks>.pt` of the `count` best validations in a folder; none for a count of 1, where best.pt is
    enough."""

    def __init__(self, folder: Path, count: int, save: Callable[[Path], None]) -> None:
        self.folder, self.count, self.save = folder, count, save

    def after(self, history: Sequence[Mapping[str, float]]) -> None:
        """After a validation was added to the history: save the state if it is one of the best, drop what no longer is.

        Of equally good ones the earlier stays.
        """
        if self.count == 1 or not history:
            return
        best = sorted(history, key=lambda entry: (-entry["accuracy"], entry["tasks"]))[: self.count]
        wanted = {self.folder / f"top-{int(entry['tasks'])}.pt" for entry in best}
        latest = self.folder / f"top-{int(history[-1]['tasks'])}.pt"
        if latest in wanted:
            self.save(latest)
        for path in set(self.paths()) - wanted:
            path.unlink()

    def paths(self) -> list[Path]:
        """The files, in a fixed order."""
        return kept_in(self.folder, self.count)


def kept_in(folder: Path, count: int) -> list[Path]:
    """The checkpoints of the best validations in a folder where `count` are kept, in a fixed order."""
    return sorted(folder.glob("top-*.pt")) if count > 1 else []
