"""Whether the query images of a task look like the balanced batch that transductive answers assume."""

from __future__ import annotations

import torch

from tnas_cli.episodes.task_folder import FolderTask

#: Query images per class below which their moments say little.
FEWEST_PER_CLASS = 3

#: How many times as many images the largest class may have as the smallest.
MOST_UNEQUAL = 2


def doubts(task: FolderTask) -> list[str]:
    """What speaks against answering the query images of a task together; nothing where they are a balanced batch."""
    if task.query_x is None:
        return []
    way, count = len(task.class_names), len(task.query_x)
    found = []
    if count < FEWEST_PER_CLASS * way:
        found.append(
            f"{count} query images for {way} classes are few for --transductive, which takes the batch norms' moments "
            "from them: leave it out to answer each image by itself"
        )
    if task.query_y is not None:
        per_class = torch.bincount(task.query_y, minlength=way)
        least, most = int(per_class.min()), int(per_class.max())
        if most > MOST_UNEQUAL * least:
            found.append(
                f"the classes have {least} to {most} query images, and --transductive assumes as many of each: leave "
                "it out to answer each image by itself"
            )
    return found
