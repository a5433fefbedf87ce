"""A result as train-eval records it, for tests to vary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tnas_cli.records.reading import parse
from tnas_cli.records.results import Measured
from tnas_cli.report.tables import Table, build_table


def a_result(**changes: Any) -> dict[str, Any]:
    """T-NAS on Omniglot, 5-way 1-shot, with some keys changed."""
    return {
        "event": "result",
        "version": 1,
        "command": "train-eval",
        "run": "runs/train-eval-omniglot-5w1s-t-nas-1",
        "method": "t-nas",
        "dataset": "omniglot",
        "protocol": "random",
        "split": "test",
        "way": 5,
        "shot": 1,
        "query": 15,
        "tasks": 600,
        "mean": 0.9876,
        "interval": 0.0034,
        "transductive": True,
        "weights": "from-scratch",
        "genotypes": 20,
        "genotypes_trained": 4,
        "parameters_mean": 24012.5,
        "per_genotype": [],
        "seed": 0,
        "wall_seconds": 812.0,
        "device": "cpu",
        "threads": 2,
        "package_version": "0.1.0",
        "budget": {"search_tasks": 8000, "train_tasks_per_genotype": 3000},
        "fingerprint": "0123abcd",
        **changes,
    }


def measured(*records: dict[str, Any]) -> list[Measured]:
    """What the report reads from such records."""
    found = [parse(record) for record in records]
    assert all(isinstance(record, Measured) for record in found)
    return found  # type: ignore[return-value]


def a_table(number: int, records: Sequence[dict[str, Any]]) -> Table:
    """One of the paper's tables with such records."""
    return build_table(number, measured(*records))


def a_run(folder: Path, *records: dict[str, Any]) -> Path:
    """A run directory whose event log holds the records."""
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return folder
