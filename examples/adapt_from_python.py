"""The pipeline from Python on the embedded data set, with a budget of seconds: search, adapt, decode.

    python examples/adapt_from_python.py [FOLDER]

FOLDER (default: a temporary one) receives the run directory.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import tnas_cli as tnas


def main(folder: Path) -> None:
    """Search briefly, adapt to three unseen tasks, and print what each of them decodes to."""
    settings = tnas.SearchSettings(
        dataset="glyphs", way=3, shot=1, query=5, tasks=8, validate_every=8, validation_tasks=4, channels=8
    )
    found = tnas.search(settings, runs=folder)
    print(f"validation accuracy after {found.tasks} tasks: {100 * found.validation_accuracy:.1f}%")

    adapted, result = tnas.adapt_dataset(found.checkpoint, "glyphs", tasks=3)
    for record in adapted:
        losses = record.support_losses
        print(f"task {record.task.index}: support loss {losses[0]:.3f} -> {losses[-1]:.3f}")
    if result.mean is not None:
        print(f"accuracy over {result.tasks} tasks: {100 * result.mean:.1f}%")

    genotypes, _ = tnas.decode(found.checkpoint)
    print(genotypes[0].darts)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
