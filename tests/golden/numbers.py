"""The numbers of small searches, adaptations and trainings on drawn glyphs, from the command line alone.

    python -m tests.golden.numbers > tests/golden/version_0_1.json

wrote the golden file from the source of version 0.1.0. Steps are few and short, so that the different rounding of
processors has little effect.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

ENGINES = ("fused", "torch")
_TASKS = ("--dataset", "glyphs", "--way", "3", "--shot", "1", "--query", "3", "--meta-batch", "2")
_TASKS += ("--tasks", "4", "--validate-every", "4", "--validation-tasks", "2")
_GENTLE = ("--inner-steps", "1", "--test-steps", "1", "--alpha-inner", "0.01")
_THETA = ("--beta-inner", "1")
SEARCH = ("search", *_TASKS, *_GENTLE, "--channels", "8")
SEARCHES = {
    "t-nas": (*_THETA,),
    "t-nas++": (*_THETA, "--method", "t-nas++", "--ensemble", "1"),
    "auto-maml": ("--method", "auto-maml"),
    "alternating": (*_THETA, "--alternating"),
}
TRAIN = (*_TASKS, "--test-tasks", "3")
TRAININGS = {
    "maml": (*_GENTLE,),
    "maml++": (*_GENTLE, "--method", "maml++", "--ensemble", "1"),
    "anil": (*_GENTLE, "--method", "anil"),
    "protonets": ("--method", "protonets"),
}


def numbers(folder: Path) -> dict[str, Any]:
    """Everything that is compared, by engine and computation; `folder` takes caches and runs."""
    return {engine: _of_engine(engine, folder / engine, folder / "cache") for engine in ENGINES}


def _of_engine(engine: str, folder: Path, cache: Path) -> dict[str, Any]:
    where = ("--cache-dir", str(cache), "--threads", "1", "--device", "cpu", "--json", "--quiet")
    found: dict[str, Any] = {}
    for name, options in SEARCHES.items():
        result = _run(*SEARCH, *options, "--engine", engine, "--runs", str(folder / name), *where)[-1]
        found[f"search {name}"] = {"validation": result["validation_accuracy"]} | _tensors(Path(result["run"]))
    best = str(next((folder / "t-nas").glob("*/best.pt")))
    adapted = _run("adapt", best, "--dataset", "glyphs", "--tasks", "2", "--engine", engine, *where)
    for record in adapted[:-1]:
        kept = {key: record[key] for key in ("support_losses", "theta", "accuracy")}
        found[f"adapt {record['task']['index']}"] = kept
    genotypes = folder / "adapted.jsonl"
    genotypes.write_text("".join(json.dumps(record) + "\n" for record in adapted))
    for name, options in TRAININGS.items():
        by = () if name == "protonets" else ("--engine", engine)
        source = "4conv" if name == "protonets" else str(genotypes)
        data = TRAIN if name == "protonets" else (*TRAIN, "--limit", "1")
        result = _run("train-eval", source, *data, *options, *by, "--runs", str(folder / f"train-{name}"), *where)[-1]
        run = Path(result["run"])
        found[f"train {name}"] = {"mean": result["mean"], "inductive": result["inductive"]["mean"]} | _tensors(run)
    return found


def _run(*words: str) -> list[dict[str, Any]]:
    done = subprocess.run([sys.executable, "-m", "tnas_cli", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def _tensors(run: Path) -> dict[str, list[float]]:
    """For every parameter of the run's last checkpoint: its sum, the sum of its squares, and its first number."""
    (path,) = run.rglob("last.pt")
    tensors = torch.load(path, weights_only=True)["tensors"]
    return {
        name: [float(t.double().sum()), float(t.double().square().sum()), float(t.flatten()[0])]
        for name, t in tensors.items()
        if name.startswith("parameters/")
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        json.dump(numbers(Path(temporary)), sys.stdout, indent=1)
