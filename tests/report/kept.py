"""Runs that keep an accuracy per task, as train-eval and adapt write them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.report.results import a_result


def _numbers(per_task: Sequence[float]) -> dict[str, Any]:
    spread = statistics.stdev(per_task) if len(per_task) > 1 else 0.0
    interval = 1.96 * spread / math.sqrt(len(per_task))
    return {"mean": statistics.fmean(per_task), "interval": interval, "tasks": len(per_task)}


def a_trained_run(folder: Path, *networks: tuple[int, Sequence[float]], **changes: Any) -> Path:
    """A train-eval run; a network is its count and its accuracies."""
    total = sum(count for count, _ in networks)
    columns = zip(*(values for _, values in networks), strict=True)
    counts = [count for count, _ in networks]
    per_task = [sum(c * v for c, v in zip(counts, values, strict=True)) / total for values in columns]
    rows = []
    for index, (count, values) in enumerate(networks):
        place = folder / f"network{index}"
        place.mkdir(parents=True)
        (place / "result.json").write_text(json.dumps({"validation": 0.5, "accuracies": list(values)}))
        rows.append({"digest": place.name, "count": count})
    record = a_result(run=str(folder), per_genotype=rows, **{**_numbers(per_task), **changes})
    (folder / "events.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def an_adaptation(file: Path, values: Sequence[float], **changes: Any) -> Path:
    """The output of `tnas adapt --dataset NAME --json`."""
    lines: list[dict[str, Any]] = [
        {"event": "adapted", "version": 1, "task": {"dataset": "omniglot", "split": "test", "index": i}, "accuracy": v}
        | {"theta": [[[0.0]]]}
        for i, v in enumerate(values)
    ]
    about = {"command": "adapt", "weights": "inherited", "network": "search network adapted", "run": "a-search"}
    lines.append(a_result(**{**about, **_numbers(values), **changes}))
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file
