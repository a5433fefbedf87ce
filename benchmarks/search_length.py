"""Where more search stops paying: what a search has learned, and what it decodes to, after ever more tasks.

    python benchmarks/search_length.py CHECKPOINT... --runs FOLDER [--tasks 100] [--genotypes 2] [--trained 3000]

CHECKPOINT: copies of one search's last.pt. Each is adapted to the same stored validation tasks, whose query images are
answered all together, as published, and decoded. Of each, the first genotypes of these tasks are trained by
`--preset affordable`, with fewer tasks, and measured on validation tasks: no test task is looked at. Prints a table,
and draws docs/pictures/search-length.svg.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import torch

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "tnas"

from matplotlib import pyplot  # noqa: E402

from tnas_cli.commands.adapt import adapt_dataset  # noqa: E402
from tnas_cli.commands.decode import decode  # noqa: E402
from tnas_cli.commands.train_eval import train_eval  # noqa: E402
from tnas_cli.methods.learner import mean_and_interval  # noqa: E402
from tnas_cli.recipes.train_settings import settings_for  # noqa: E402
from tnas_cli.records.writing import line  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.spaces.genotype import Genotype  # noqa: E402

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "search-length.svg"

#: What a genotype's training is validated on; one after the last task alone.
VALIDATION_TASKS = 600


@dataclass(frozen=True)
class Length:
    """A search after so many tasks: accuracy of the adapted search network with its interval, and mean over the edges
    of theta's largest probability; shares of decoded edges that are skip connections and pools; how many genotypes the
    tasks decode to; and validation accuracies of those that were trained."""

    search_tasks: int
    adapted: tuple[float, float]
    largest: float
    skips: float
    pools: float
    distinct: int
    trained: tuple[float, ...]


def main() -> None:
    """A row per checkpoint, each when it is measured; then the picture."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoints", nargs="+", type=Path)
    arguments.add_argument("--runs", type=Path, required=True)
    arguments.add_argument("--dataset", default="omniglot")
    arguments.add_argument("--tasks", type=int, default=100)
    arguments.add_argument("--genotypes", type=int, default=2)
    arguments.add_argument("--trained", type=int, default=3000)
    arguments.add_argument("--threads", type=int, default=1)
    given = arguments.parse_args()
    print("| search tasks | adapted search network | theta, mean of largest | skips | pools | genotypes | trained |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    found = []
    for checkpoint in given.checkpoints:
        found.append(measured(checkpoint, given))
        print(row(found[-1]), flush=True)
    draw(sorted(found, key=lambda length: length.search_tasks))


def measured(checkpoint: Path, given: argparse.Namespace) -> Length:
    """Adapt, decode, train."""
    machine = Machine(threads=given.threads, device="cpu")
    adapted = adapt_dataset(checkpoint, given.dataset, split="val", tasks=given.tasks, machine=machine).tasks
    records, _ = decode("-", stdin="".join(line(one) for one in adapted))
    genotypes = [Genotype.from_json(one.genotype) for one in records]
    edges = sum(len(genotype.normal) + len(genotype.reduce) for genotype in genotypes)
    trained: tuple[float, ...] = ()
    if given.genotypes:
        length = {"tasks": given.trained, "validate_every": given.trained, "validation_tasks": VALIDATION_TASKS}
        chosen = records[: given.genotypes]
        settings = settings_for(chosen, "affordable", {**length, "test_tasks": 2})
        result = train_eval(chosen, settings, runs=given.runs / checkpoint.stem, machine=machine)
        trained = tuple(one.validation for one in result.per_genotype or () if one.validation is not None)
    return Length(
        search_tasks=adapted[0].search_tasks or 0,
        adapted=mean_and_interval([torch.tensor([one.accuracy for one in adapted])]),
        largest=statistics.mean(one.theta_mean_largest_probability or 0.0 for one in adapted),
        skips=sum(one.skip_connections or 0 for one in records) / edges,
        pools=sum(one.pools or 0 for one in records) / edges,
        distinct=len({one.digest for one in records}),
        trained=trained,
    )


def row(one: Length) -> str:
    """A row of a table in Markdown."""
    mean, half = one.adapted
    cells = (
        f"{one.search_tasks:,}",
        f"{100 * mean:.2f} ± {100 * half:.2f}%",
        f"{one.largest:.3f}",
        f"{100 * one.skips:.1f}%",
        f"{100 * one.pools:.1f}%",
        f"{one.distinct}",
        ", ".join(f"{100 * accuracy:.2f}%" for accuracy in one.trained),
    )
    return f"| {' | '.join(cells)} |"


def draw(lengths: list[Length]) -> None:
    """Accuracies on the left, what is decoded on the right, over search tasks."""
    tasks = [one.search_tasks for one in lengths]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), constrained_layout=True)
    means, halves = zip(*(one.adapted for one in lengths), strict=True)
    bars = {"fmt": "o-", "color": "black", "capsize": 2, "label": "adapted search network"}
    left.errorbar(tasks, [100 * mean for mean in means], [100 * half for half in halves], **bars)
    points = [(one.search_tasks, 100 * accuracy) for one in lengths for accuracy in one.trained]
    if points:
        left.plot(*zip(*points, strict=True), "x", color="black", label="decoded genotypes, trained")
    left.set(xscale="log", xlabel="search tasks", ylabel="validation accuracy, %")
    left.legend(frameon=False)
    for values, style, name in (
        ([100 * one.skips for one in lengths], "s--", "skip connections"),
        ([100 * one.pools for one in lengths], "^:", "pools"),
    ):
        right.plot(tasks, values, style, color="black", label=name)
    right.set(xscale="log", xlabel="search tasks", ylabel="share of decoded edges, %", ylim=(0, None))
    right.legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
