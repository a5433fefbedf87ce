"""What a checkpoint's inner steps do to validation tasks: as it was learned, and with a linear layer of zeros.

    python benchmarks/inner_steps.py best.pt ~/.cache/tnas/omniglot-random-28.h5 [--tasks 200] [--threads 1]

Prints a table: before each step and after the last one, the loss of the support images, the accuracy on the query
images (all together, as published), how far theta has decided, and the squared norms of the support loss's gradients:
of the linear layer, of theta, and of everything else.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tnas_cli.engines.choose import choose_engine  # noqa: E402
from tnas_cli.engines.torch_engine import task_accuracies  # noqa: E402
from tnas_cli.episodes.cache import open_cache  # noqa: E402
from tnas_cli.methods.head import is_head, with_zero_head  # noqa: E402
from tnas_cli.methods.learner import SteppingLearner  # noqa: E402
from tnas_cli.methods.streams import evaluation_batches  # noqa: E402
from tnas_cli.recipes.learned import load_learned  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.spaces.decode import decidedness  # noqa: E402
from tnas_cli.spaces.parameters import THETA, Parameters  # noqa: E402


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoint", type=Path)
    arguments.add_argument("cache", type=Path)
    arguments.add_argument("--tasks", type=int, default=200)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    device = Machine(threads=given.threads, device="cpu").start()
    learned, parameters = load_learned(given.checkpoint, device)
    network = learned.network(learned.settings.way)
    learner = learned.learner(choose_engine("auto", network, device), network)
    if not isinstance(learner, SteppingLearner):
        sys.exit(f"{learned.method} takes no inner steps")
    cache, s = open_cache(given.cache), learned.settings
    print("| linear layer | step | support loss | query accuracy | theta decided | head | theta | all else |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name, start in (("as learned", parameters), ("zero", with_zero_head(parameters))):
        columns: dict[int, list[Tensor]] = defaultdict(list)
        for batch in evaluation_batches(cache, "val", s.way, s.shot, s.query, given.tasks, device):
            for step, own in enumerate(learner.course(start, batch.support)):
                found = learner.engine.gradients(learner.network, own, batch.support)
                answers = learner.engine.predict(learner.network, own, batch.query_x)
                decided = decidedness(own[THETA]) if THETA in own else found.losses * 0
                values = (found.losses, task_accuracies(answers, batch.query_y), decided, *norms(found.gradients))
                columns[step].append(torch.stack([value.double() for value in values]))
        for step, column in columns.items():
            loss, accuracy, decided, *squared = torch.cat(column, dim=1).mean(1).tolist()
            cells = (f"{loss:.3f}", f"{100 * accuracy:.2f}%", f"{decided:.3f}" if decided else "", *map(short, squared))
            print(f"| {name} | {step} | {' | '.join(cells)} |", flush=True)


def norms(gradients: Parameters) -> list[Tensor]:
    """The squared norms [T] of the gradients [T, ...] of the linear layer, of theta and of everything else."""
    groups: list[list[Tensor]] = [[], [], []]
    for name, gradient in gradients.items():
        groups[0 if is_head(name) else 1 if name == THETA else 2].append(gradient.flatten(1).square().sum(1))
    tasks = len(next(iter(gradients.values())))
    return [torch.stack(group).sum(0) if group else torch.zeros(tasks) for group in groups]


def short(value: float) -> str:
    """Three significant digits; nothing for 0."""
    return f"{value:.3g}" if value else ""


if __name__ == "__main__":
    main()
