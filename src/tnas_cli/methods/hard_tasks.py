"""Hard tasks (Sun et al., 2019, "HT meta-batch"): tasks of the classes that were answered worst, and of no others.

After each meta-batch, the class with the lowest query accuracy of every task is kept. Then further tasks are drawn from
the kept classes alone, and learned from like all others.

The authors' code for it was never published. From memory, and unverified: hard tasks follow every ten meta-batches, 10
of them at 1-shot and 4 at 5-shot. (As numbers of kept classes, 4 would not suffice for a 5-way task.) Ours: they are
meta-batches of the usual size and count as training tasks; of equally bad classes the first is kept; a class that is
kept twice counts once; and where fewer classes were kept than a task has, tasks are drawn from all classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tnas_cli.methods.class_means import one_hot
from tnas_cli.settings.train import TrainSettings

#: After how many meta-batches hard tasks follow.
META_BATCHES = 10


@dataclass(frozen=True)
class HardTasks:
    """`count` hard tasks after every `after` tasks of all classes; `way`: classes of a task. Which task is a hard one
    depends on its number alone."""

    after: int
    count: int
    way: int

    @classmethod
    def of(cls, settings: TrainSettings) -> HardTasks | None:
        """As the settings say; None without hard tasks."""
        s = settings
        return cls(META_BATCHES * s.meta_batch, s.hard_tasks, s.way) if s.hard_tasks else None

    def due(self, done: int) -> bool:
        """Whether the task of this number is hard."""
        return done % (self.after + self.count) >= self.after

    def left(self, done: int) -> int:
        """How many tasks there are from this one to the next change between hard tasks and others."""
        place = done % (self.after + self.count)
        return (self.after if place < self.after else self.after + self.count) - place

    def among(self, kept: Sequence[int], done: int) -> tuple[int, ...]:
        """The classes that the task of this number is drawn from; none where these are all classes."""
        return tuple(sorted(kept)) if self.due(done) and len(kept) >= self.way else ()

    def keep(self, kept: list[int], done: int, weakest: Tensor) -> None:
        """Add to the kept classes those of a meta-batch [T] that began with task `done`; after the last of the hard
        tasks, begin anew. Changes `kept` in place."""
        if not self.due(done):
            kept += sorted(set(weakest.tolist()) - set(kept))
        elif not self.due(done + len(weakest)):
            kept.clear()


def weakest(logits: Tensor, labels: Tensor, way: int) -> Tensor:
    """The label [T] with the lowest query accuracy in each task, the first of several; logits [T, Q, way], labels
    [T, Q]. A label without query images is never the weakest."""
    of = one_hot(labels, way, logits)  # [T, Q, way]
    right = (logits.argmax(-1) == labels).to(logits).unsqueeze(2)  # [T, Q, 1]
    number = of.sum(1)  # [T, way]
    share = torch.where(number > 0, (of * right).sum(1) / number.clamp(min=1), 2.0)
    return share.sort(dim=1, stable=True).indices[:, 0]
