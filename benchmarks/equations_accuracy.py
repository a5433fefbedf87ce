"""Whether Equations 7 and 8 reach the accuracy of Equations 5 and 6 (Section 4.3 of the paper), at equal tasks.

    python benchmarks/equations_accuracy.py --dataset glyphs --tasks 400 --seeds 3
    python benchmarks/equations_accuracy.py --dataset omniglot --tasks 2000 --seeds 3 --ways 7-8 5-8

Searches as `tnas search` does, each way with the same seeds and tasks. Then it adapts the checkpoint that validation
tasks chose to test tasks, and prints a table. The data set must be prepared; glyphs needs no preparation. The torch
engine computes the ways with Equation 6, which takes many times as long: `tnas search --order second --dry-run`
estimates the time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tnas_cli.cli.console import Screen  # noqa: E402
from tnas_cli.commands.adapt import adapt_dataset  # noqa: E402
from tnas_cli.commands.search import search  # noqa: E402
from tnas_cli.runs.device import Machine  # noqa: E402
from tnas_cli.settings.preset import preset  # noqa: E402
from tnas_cli.settings.search import SearchSettings  # noqa: E402

#: Inner and outer equation: the settings that choose them.
WAYS: dict[str, dict[str, Any]] = {
    "7-8": {"alternating": False, "order": "first"},
    "5-8": {"alternating": True, "order": "first"},
    "7-6": {"alternating": False, "order": "second"},
    "5-6": {"alternating": True, "order": "second"},
}
COLUMNS = (*("equations", "engine", "validation", "test", "theta~", "adapted", "skips; pools", "seconds"),)


def main() -> None:
    """Search, adapt and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--dataset", default="glyphs")
    arguments.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    arguments.add_argument("--tasks", type=int, default=400)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--shot", type=int, default=1)
    arguments.add_argument("--channels", type=int, default=16)
    arguments.add_argument("--inner-steps", type=int, default=5)
    arguments.add_argument("--validation-tasks", type=int, default=100)
    arguments.add_argument("--test-tasks", type=int, default=200)
    arguments.add_argument("--threads", type=int)
    arguments.add_argument("--cache-dir", type=Path)
    arguments.add_argument("--runs", type=Path, help="keep the runs here; otherwise they are deleted")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = options.runs or Path(folder)
        found = {way: [one(options, way, seed, runs) for seed in range(options.seeds)] for way in options.ways}
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for way, results in found.items():
        print(row(way, results))


def one(options: argparse.Namespace, way: str, seed: int, runs: Path) -> dict[str, Any]:
    """The result of one search, with the accuracy of its adapted search network on test tasks as `test`."""
    settings = SearchSettings.from_dict(
        preset("search", "quick")
        | {
            "dataset": options.dataset,
            "shot": options.shot,
            "tasks": options.tasks,
            "channels": options.channels,
            "inner_steps": options.inner_steps,
            "test_steps": options.inner_steps,
            "validate_every": max(1, options.tasks // 4),
            "validation_tasks": options.validation_tasks,
            "seed": seed,
        }
        | WAYS[way]
    )
    machine = Machine(cache_root=options.cache_dir, threads=options.threads, offline=True)
    with Screen().progress() as listener:
        result = search(settings, runs=runs, machine=machine, listener=listener)
        _, tested = adapt_dataset(
            result.checkpoint, options.dataset, tasks=options.test_tasks, machine=machine, listener=listener
        )
    print(f"{way}, seed {seed}: validation {result.validation_accuracy:.4f}, test {tested.mean:.4f}", flush=True)
    return result.to_json() | {"test": tested.mean}


def row(way: str, results: list[dict[str, Any]]) -> str:
    """Means over the seeds, with the standard deviation of the accuracies."""

    def mean(name: str) -> float:
        return statistics.fmean(result[name] for result in results)

    def accuracy(name: str) -> str:
        spread = f" (sd {100 * statistics.stdev(r[name] for r in results):.2f})" if len(results) > 1 else ""
        return f"{100 * mean(name):.2f}%{spread}"

    cells = (
        way.replace("-", " and "),
        results[0]["engine"],
        accuracy("validation_accuracy"),
        accuracy("test"),
        f"{mean('theta_mean_largest_probability'):.3f}",
        f"{mean('adapted_mean_largest_probability'):.3f}",
        f"{mean('skip_share'):.1%}; {mean('pool_share'):.1%}",
        f"{mean('wall_seconds'):,.0f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
