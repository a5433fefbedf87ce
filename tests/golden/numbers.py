"""The numbers of small searches, adaptations and trainings on drawn glyphs, from the command line, in double precision.

    PYTHONPATH=SOURCE_OF_0_1 python -m tests.golden.numbers > tests/golden/version_0_1.json

wrote the golden file from the source of version 0.1.0. Commands compute in single precision, whose rounding differs
from processor to processor; a few steps turn that into differences of 1e-4. In double precision they stay below 1e-9.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from tests.running import succeeding
from tnas_cli.episodes.tasks import TaskBatch

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
#: In which the quick preset of training differed in version 0.1.0.
_QUICK_THEN = {"head": "learned", "alpha_outer": 1e-3, "alpha_inner": 0.03, "reduction": "mean", "cosine_to": 1.0}
TRAIN = (*_TASKS, "--test-tasks", "3")
TRAININGS = {
    "maml": (*_GENTLE,),
    "maml++": (*_GENTLE, "--method", "maml++", "--ensemble", "1"),
    "anil": (*_GENTLE, "--method", "anil"),
    "protonets": ("--method", "protonets"),
}


def numbers(engine: str) -> dict[str, Any]:
    """Everything that is compared, by computation, from a process of its own: precision is a setting of the process."""
    words = [sys.executable, "-m", "tests.golden.numbers", engine]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def _as_then() -> Iterator[None]:
    """Within the block tnas draws weights and loads images as float64, trains by the preset of then, and answers single
    images by the adapted linear layer, as there was no other classifier."""
    to = TaskBatch.to
    torch.set_default_dtype(torch.float64)
    with contextlib.ExitStack() as patches:
        in_double = mock.patch.object(TaskBatch, "to", lambda batch, device, dtype: to(batch, device, torch.float64))
        patches.enter_context(in_double)
        with contextlib.suppress(ImportError):  # version 0.1.0 has it elsewhere
            from tnas_cli.engines.fused_engine import FusedEngine

            # Kernels of single precision, which commands compile ahead, are not needed here.
            patches.enter_context(mock.patch.object(FusedEngine, "prepare"))
            from tnas_cli.methods.learner import FittedNetwork

            patches.enter_context(mock.patch.object(FittedNetwork, "classifiers", ("linear",)))
            from tnas_cli.settings.preset import presets

            patches.enter_context(mock.patch.dict(presets("train_eval")["quick"], _QUICK_THEN))
        yield


def _of_engine(engine: str, folder: Path) -> dict[str, Any]:
    where = ("--cache-dir", folder / "cache", "--threads", "1", "--device", "cpu", "--json", "--quiet")
    found: dict[str, Any] = {}
    for name, options in SEARCHES.items():
        result = succeeding(*SEARCH, *options, "--engine", engine, "--runs", folder / name, *where).result
        found[f"search {name}"] = {"validation": result["validation_accuracy"]} | _tensors(Path(result["run"]))
    best = next((folder / "t-nas").glob("*/best.pt"))
    adapted = succeeding("adapt", best, "--dataset", "glyphs", "--tasks", "2", "--engine", engine, *where).records
    for record in adapted[:-1]:
        kept = {key: record[key] for key in ("support_losses", "theta", "accuracy")}
        found[f"adapt {record['task']['index']}"] = kept
    genotypes = folder / "adapted.jsonl"
    genotypes.write_text("".join(json.dumps(record) + "\n" for record in adapted))
    for name, options in TRAININGS.items():
        # PyTorch computed all of it then: another engine rounds the gradient of a bias before a batch norm, which is 0,
        # in another way, and Adam makes a step of it.
        by = ("--engine", "torch" if name == "protonets" else engine)
        source = "4conv" if name == "protonets" else str(genotypes)
        data = TRAIN if name == "protonets" else (*TRAIN, "--limit", "1")
        runs = folder / f"train-{name}"
        result = succeeding("train-eval", source, *data, *options, *by, "--runs", runs, *where).result
        run = Path(result["run"])
        found[f"train {name}"] = {"mean": result["mean"], "inductive": result["inductive"]["mean"]} | _tensors(run)
    return found


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
    with _as_then(), tempfile.TemporaryDirectory() as temporary:
        engines = sys.argv[1:] or ENGINES
        by_engine = {engine: _of_engine(engine, Path(temporary) / engine) for engine in engines}
        json.dump(by_engine[engines[0]] if sys.argv[1:] else by_engine, sys.stdout, indent=1)
