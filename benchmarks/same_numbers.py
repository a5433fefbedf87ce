"""Whether two commits compute the same numbers, to the last bit, on this machine.

    python benchmarks/same_numbers.py BEFORE [AFTER] [--only NAME] [--keep FOLDER]

BEFORE and AFTER are commits; without AFTER it is the working tree. Each commit runs the same small searches,
adaptations and trainings on drawn glyphs, in separate processes, with both engines. Then every tensor of every
checkpoint and every value of every record is compared, except times, paths and versions. The exit code is 1 if anything
differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for tests.methods

#: Parts of a record that say when, where and by which version it was written.
ELSEWHERE = (
    *(
        "seconds",
        "seconds_before",
        "tasks/s",
        "path",
        "run",
        "runs",
        "checkpoint",
        "checkpoints",
        "folder",
        "image",
        "version",
        "command",
    ),
    *("platform", "processor", "python", "torch", "threads", "cores", "device", "created", "argv", "environment"),
)

_DATA = ("--dataset", "glyphs", "--way", "5", "--shot", "1")
_SEARCH: tuple[str, ...] = (
    "search",
    *_DATA,
    "--channels",
    "8",
    "--tasks",
    "12",
    "--meta-batch",
    "4",
    "--inner-steps",
    "2",
)
_SEARCH += ("--test-steps", "3", "--validate-every", "8", "--validation-tasks", "4", "--query", "5")
_SHORT = ("--tasks", "8", "--meta-batch", "4", "--validate-every", "4", "--validation-tasks", "4", "--query", "5")
_BUDGET = (*_SHORT, "--test-tasks", "6")
_TRAIN = (*_BUDGET, "--inner-steps", "2", "--test-steps", "2")
_FIXED = ("train-eval", "4conv", *_DATA, *_TRAIN)
_GIVEN = ("train-eval", "GENOTYPES", *_TRAIN, "--limit", "2", "--side-by-side", "1")
_LARGE = ("--epochs", "2", "--seed", "3")
_CELLS = ("--layers", "3", "--channels", "4", "--epochs", "2")

#: Methods that only PyTorch computes, in one of the versions at least: they are called without --engine.
ONLY_TORCH = (
    "protonets",
    "matching-nets",
    "matching-nets-fce",
    "siamese",
    "r2d2",
    "frozen",
    "compare-nets",
    "memory-module",
    "neural-statistician",
    "llama",
    "bilevel",
    "tadam",
    "mtl",
)
#: Those among them with inner steps, those with a network of their own, and what else they need to be short.
_STEPS = ("--inner-steps", "2", "--test-steps", "2")
_OWN: dict[str, tuple[str, ...]] = {"tadam": ("resnet12-8",), "mtl": ("resnet12-mtl-8", *_STEPS, "--pretrain", "2")}
_OWN |= dict.fromkeys(("llama", "bilevel"), ("4conv", *_STEPS))
#: Ten ordinary tasks, and hard ones; versions without them give no records.
_HARD = ("--meta-batch", "1", "--tasks", "16", "--validate-every", "8", "--hard-tasks", "4")

#: The command lines for each scenario in different versions, the newest first. GENOTYPES and CHECKPOINT stand for the
#: results of the same engine's search, TASK for a task folder, IMAGES for labelled images.
SCENARIOS: dict[str, tuple[tuple[str, ...], ...]] = {
    "search": (_SEARCH,),
    "search-seed": ((*_SEARCH, "--seed", "7", "--shot", "5"),),
    "search-alternating": ((*_SEARCH, "--alternating"),),
    "search-second-order": ((*_SEARCH, "--order", "second", "--engine", "torch"),),
    "search-plus-plus": ((*_SEARCH, "--method", "t-nas++", "--ensemble", "2"),),
    "search-auto-maml": ((*_SEARCH, "--method", "auto-maml"),),
    "search-authors": ((*_SEARCH, "--preset", "authors"),),
    "adapt": (("adapt", "CHECKPOINT", "--dataset", "glyphs", "--tasks", "10"),),
    "adapt-every-step": (("adapt", "CHECKPOINT", "--dataset", "glyphs", "--tasks", "3", "--every-step"),),
    "adapt-folder": (("adapt", "CHECKPOINT", "TASK", "--transductive"), ("adapt", "CHECKPOINT", "TASK")),
    "decode": (("decode", "GENOTYPES"),),
    "train": (_GIVEN,),
    "train-side-by-side": ((*_GIVEN[:-1], "2"),),
    **{
        f"train-{name}": ((*_FIXED, "--method", name),)
        for name in ("maml", "maml++", "anil", "boil", "reptile", "meta-lstm")
    },
    "train-meta-sgd": (("train-eval", "4conv", *_DATA, *_BUDGET, "--method", "meta-sgd"),),
    **{
        f"train-{name}": (("train-eval", own[0], *_DATA, *_BUDGET, "--method", name, *own[1:]),)
        for name in ONLY_TORCH
        for own in (_OWN.get(name, ("4conv",)),)
    },
    "train-hard-tasks": (
        ("train-eval", _OWN["mtl"][0], *_DATA, *_BUDGET, "--method", "mtl", *_OWN["mtl"][1:], *_HARD),
    ),
    "inherited": (("train-eval", "GENOTYPES", *_SHORT, "--weights", "inherited", "--checkpoint", "CHECKPOINT"),),
    "inherited-all": (
        ("train-eval", "GENOTYPES", *_BUDGET, "--weights", "inherited", "--checkpoint", "CHECKPOINT", "--all-tasks"),
    ),
    **{
        f"supervised-{method}": tuple(
            (*words, "--dataset", "glyphs", "--method", method, *_LARGE, *further, *epochs)
            for words, epochs in (
                (("supervised",), short),
                (("train-eval", "--protocol", "supervised"), ("--set", "search_epochs=2")),
            )
        )
        for method, further, short in (
            ("s1", (), ("--search-epochs", "2")),
            ("s2", ("--order", "second", "--engine", "torch"), ("--search-epochs", "2")),
            ("random", (), ()),
            ("t-nas", ("--channels", "8", "--checkpoint", "CHECKPOINT"), ()),
        )
    },
    "transfer": tuple(
        (*words, "--dataset", "IMAGES", *_CELLS, *more)
        for words, more in (
            (("transfer", "DARTS_V2"), ("--batch", "24", "--cutout", "4")),
            (("train-eval", "DARTS_V2", "--protocol", "transfer"), ("--set", "batch=24", "--set", "cutout=4")),
        )
    ),
}

ENGINES = ("fused", "torch")


def main() -> None:
    """Run both, compare, and say what differs."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("before")
    arguments.add_argument("after", nargs="?")
    arguments.add_argument("--only", help="scenarios whose names hold this text, with what they need")
    arguments.add_argument("--keep", type=Path, help="leave everything in this folder; what is there is not run again")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        sides = [_run_commit(folder, commit, given.only) for commit in (given.before, given.after)]
        differences = list(_compare(*sides))
    for line in differences[:40]:
        print(line)
    print(f"{len(differences)} differences" if differences else "the same to the last bit")
    sys.exit(bool(differences))


def _run_commit(folder: Path, commit: str | None, only: str | None) -> Path:
    """Runs all scenarios with the source of a commit, or of the working tree; returns the folder of the results."""
    if commit is None:
        tree, name = ROOT, "working-tree"
    else:
        name = subprocess.check_output(["git", "rev-parse", "--short", commit], cwd=ROOT, text=True).strip()
        tree = folder / f"tree-{name}"
        if not tree.is_dir():
            tree.mkdir()
            archive = subprocess.run(["git", "archive", name, "src"], cwd=ROOT, check=True, capture_output=True)
            subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
    out = folder / f"out-{name}"
    for engine in ENGINES:
        for scenario, forms in SCENARIOS.items():
            needed = scenario in ("search", "adapt") or only is None or only in scenario
            if needed and (commit is None or not (out / engine / f"{scenario}.jsonl").is_file()):
                _run(tree, out / engine, scenario, forms, engine)
    return out


def _run(tree: Path, out: Path, scenario: str, forms: tuple[tuple[str, ...], ...], engine: str) -> None:
    """Runs one scenario, in the first of its forms that the commit understands."""
    out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": f"{tree / 'src'}:{ROOT}", "TNAS_CACHE": str(out.parent / "cache")}
    for form in forms:
        stands_for = {
            "GENOTYPES": out / "adapt.jsonl",
            "TASK": out.parent / "task",
            "IMAGES": out.parent / "images-20.h5",
        }
        if "CHECKPOINT" in form:
            stands_for["CHECKPOINT"] = Path(
                json.loads((out / "search.jsonl").read_text().splitlines()[-1])["checkpoint"]
            )
        _make_inputs(out.parent, form, tree, environment)
        words = [str(stands_for.get(word, word)) for word in form] + ["--json", "--quiet"]
        if form[0] not in ("adapt", "decode"):
            words += ["--runs", str(out / scenario)]
        if form[0] != "decode":
            words += ["--threads", "2", "--device", "cpu", *([] if "--engine" in form else _engine_of(form, engine))]
        run = subprocess.run(
            [sys.executable, "-m", "tnas_cli", *words], env=environment, cwd=out, capture_output=True, text=True
        )
        print(f"{tree.name} {engine} {scenario}: {run.returncode}", flush=True)
        if run.returncode == 0:
            (out / f"{scenario}.jsonl").write_text(run.stdout)
            return
    print(run.stderr[-500:])
    (out / f"{scenario}.jsonl").write_text("")


def _engine_of(form: tuple[str, ...], engine: str) -> list[str]:
    """The option --engine; nothing where a version has no choice."""
    return [] if {*ONLY_TORCH, "IMAGES"} & set(form) else ["--engine", engine]


def _make_inputs(folder: Path, form: tuple[str, ...], tree: Path, environment: dict[str, str]) -> None:
    """A task folder of drawn characters, and labelled images; both are the same for every commit."""
    from PIL import Image

    from tests.methods import class_pictures
    from tnas_cli.episodes import glyphs

    if "TASK" in form and not (folder / "task").is_dir():
        for number in range(4):
            drawings = glyphs.draw_class(0, 900 + number, 28)
            for variant in range(6):
                part = "support" if variant < 2 else "query"
                place = folder / "task" / part / f"c{number}"
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(drawings[variant, :, :, 0]).save(place / f"{variant}.png")
    if "IMAGES" in form and not (folder / "images-20.h5").is_file():
        class_pictures.cache(folder / "images-20.h5")


def _compare(before: Path, after: Path) -> Iterator[str]:
    for engine in ENGINES:
        for scenario in SCENARIOS:
            name, files = f"{engine} {scenario}", [side / engine / f"{scenario}.jsonl" for side in (before, after)]
            if not all(file.is_file() for file in files):
                continue
            old, new = (dict(_values(_records(file))) for file in files)
            if not old and (before / engine / scenario).is_dir():
                yield f"{name}: gave no records before"
            gone = sorted(key for key in old if key not in new)
            print(f"{name}: {len(old.keys() & new.keys())} values of records, {len(gone)} of them gone {gone[:6]}")
            yield from (
                f"{name}: {key} was {old[key]!r} and is {new[key]!r}"
                for key in old
                if key in new and old[key] != new[key]
            )
            yield from _compare_tensors(name, before / engine / scenario, after / engine / scenario)


def _records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def _values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value below `value`, with its path."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield name, value
        return
    for key, part in parts:
        if not any(str(key) == word or str(key).endswith(f"_{word}") for word in ELSEWHERE):
            yield from _values(part, f"{name}/{key}")


def _compare_tensors(name: str, before: Path, after: Path) -> Iterator[str]:
    import torch

    old, new = (sorted(folder.rglob("*.pt"), key=lambda p: (p.parent.name[-8:], p.name)) for folder in (before, after))
    if len(old) != len(new):
        yield f"{name}: {len(old)} checkpoints before, {len(new)} after"
        return
    count = 0
    for a, b in zip(old, new, strict=True):
        first, second = (torch.load(path, weights_only=True)["tensors"] for path in (a, b))
        if first.keys() != second.keys():
            yield f"{name}: {a.name} holds {sorted(first.keys() ^ second.keys())[:5]} on one side"
        for key in first.keys() & second.keys():
            count += 1
            if not torch.equal(first[key], second[key]):
                yield f"{name}: {a.name} {key} differs by {float((first[key] - second[key]).abs().max()):.3g}"
    if old:
        print(f"{name}: {count} tensors in {len(old)} checkpoints")


if __name__ == "__main__":
    main()
