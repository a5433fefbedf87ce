"""What a task's own architecture brings before anything is decoded: validation tasks, each with four theta.

    python benchmarks/own_theta.py best.pt ~/.cache/tnas/omniglot-random-28.h5 [--tasks 200] [--threads 1]

In every row w takes the checkpoint's inner steps, and the query images are answered all together, as published:

    theta~            theta stays as it was learned for all tasks
    moving            theta takes its inner steps beside w (Algorithm 2)
    own               theta stays where those steps end for this task, and w begins again
    another task's    theta stays where they end for the next validation task

Prints accuracies, and differences on the same tasks, with 95% intervals over tasks.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tnas_cli.engines.choose import choose_engine  # noqa: E402
from tnas_cli.engines.torch_engine import task_accuracies  # noqa: E402
from tnas_cli.episodes.cache import open_cache  # noqa: E402
from tnas_cli.methods.learner import AdaptingLearner, mean_and_interval  # noqa: E402
from tnas_cli.methods.streams import evaluation_batches  # noqa: E402
from tnas_cli.recipes.learned import load_learned  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.settings.search import SearchSettings  # noqa: E402
from tnas_cli.spaces.parameters import THETA  # noqa: E402

#: A rate at which theta stays where it is; 0 is not a rate.
STILL = 1e-30

FROM_ALL, MOVING, OWN, OTHERS = "theta~", "moving", "own", "another task's"


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
    s = learned.settings
    if not isinstance(s, SearchSettings):
        sys.exit(f"{given.checkpoint} has no theta")
    network = learned.network(s.way)
    engine = choose_engine("auto", network, device)
    at_rest = replace(learned, settings=replace(s, beta_inner=STILL))
    moving, still = learned.learner(engine, network), at_rest.learner(engine, network)
    assert isinstance(moving, AdaptingLearner) and isinstance(still, AdaptingLearner)
    cache = open_cache(given.cache)
    found: dict[str, list[Tensor]] = defaultdict(list)
    thetas: list[Tensor] = []
    tasks = (cache, "val", s.way, s.shot, s.query, given.tasks, device)
    for batch in evaluation_batches(*tasks):
        for name, learner in ((FROM_ALL, still), (MOVING, moving)):
            own = learner.adapt(parameters, batch.support).parameters
            found[name].append(task_accuracies(engine.predict(network, own, batch.query_x), batch.query_y))
        thetas += own[THETA].detach().clone()  # of the last learner, which moves theta
    number = 0
    for batch in evaluation_batches(*tasks):
        for one in range(len(batch.support_y)):
            task = slice(one, one + 1)
            for name, theta in ((OWN, thetas[number]), (OTHERS, thetas[(number + 1) % len(thetas)])):
                support = batch.support_x[task], batch.support_y[task]
                own = still.adapt({**parameters, THETA: theta}, support).parameters
                answers = engine.predict(network, own, batch.query_x[task])
                found[name].append(task_accuracies(answers, batch.query_y[task]))
            number += 1
    accuracy = {name: torch.cat(columns).double() for name, columns in found.items()}
    print("| theta | accuracy | minus theta~ |\n| --- | --- | --- |")
    for name, each in accuracy.items():
        difference = "" if name == FROM_ALL else _said(each - accuracy[FROM_ALL], "+")
        print(f"| {name} | {_said(each)} | {difference} |")
    print(f"\nown minus another task's: {_said(accuracy[OWN] - accuracy[OTHERS], '+')}")


def _said(values: Tensor, sign: str = "") -> str:
    """A mean of shares of 1 with its interval, in percent."""
    mean, half = mean_and_interval([values])
    return f"{100 * mean:{sign}.2f} ± {100 * half:.2f}"


if __name__ == "__main__":
    main()
