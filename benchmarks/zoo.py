"""Makes the models that come with tnas, and their cards: search, decode, train, measure, pack.

    python benchmarks/zoo.py FOLDER [--only omniglot]

FOLDER keeps the runs; a command whose output is there is not run again. It takes about two hours on two cores, and
needs Omniglot and FC100 prepared. Of each data set two models are made: the meta-architecture, and a genotype that it
decodes to, trained by prototypical networks. The files and cards are written to src/tnas_cli/zoo/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnas_cli.records.kinds import ModelCard
from tnas_cli.records.parts import Accuracy, ShotAccuracy
from tnas_cli.runs import checkpoint

ZOO = Path(__file__).parents[1] / "src" / "tnas_cli" / "zoo"
MEASURED_SHOTS, MEASURED_TASKS = (1, 5, 10), 400
SAME = "--cosine-to 0.01 --validate-every 2000 --validation-tasks 200 --seed 0 --threads 1"


@dataclass(frozen=True)
class Recipe:
    """What is made from a data set: tasks of the search and of the training, and what the cards say."""

    dataset: str
    searched: int
    trained: int
    licence: str
    fit_for: str
    not_for: str


RECIPES = (
    Recipe(
        "omniglot",
        12_000,
        20_000,
        "MIT (Lake et al., 2015)",
        "drawn characters, symbols and simple marks, one per image, dark on light or light on dark",
        "photos, text of several characters, anything that colour or texture tells apart",
    ),
    Recipe(
        "fc100",
        8_000,
        12_000,
        "none stated; cite Krizhevsky (2009)",
        "small colour pictures of single objects, where a first guess is enough",
        "photos where details matter, people, medical or safety questions; ask a large frozen network too (--beside)",
    ),
)


def main() -> None:
    """Make what is missing."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--only", choices=[recipe.dataset for recipe in RECIPES])
    chosen = arguments.parse_args()
    ZOO.mkdir(exist_ok=True)
    for recipe in RECIPES:
        if chosen.only in (None, recipe.dataset):
            make(recipe, chosen.folder)


def make(recipe: Recipe, folder: Path) -> None:
    """Both models of a data set."""
    name = recipe.dataset
    task = f"--dataset {name} --way 5 --shot 1"
    search = f"tnas search {task} --tasks {recipe.searched} {SAME} --runs {name}"
    searched = run(search, folder, f"{name}.search.json")
    decode = f"tnas decode {searched['checkpoint']} --json"
    genotype = f"{name}.genotype.json"
    digest = run(decode, folder, genotype, record=0)["digest"]
    train = f"tnas train-eval {genotype} {task} --method protonets --tasks {recipe.trained} {SAME} --runs {name}"
    trained = run(train, folder, f"{name}.train.json")
    best = f"{trained['run']}/{digest}/best.pt"
    about = {"licence": recipe.licence, "fit_for": recipe.fit_for, "not_for": recipe.not_for}
    pack(
        f"{name}-5w1s-search",
        folder / searched["checkpoint"],
        [search],
        title="meta-architecture of T-NAS",
        method="t-nas",
        tasks=recipe.searched,
        seconds=searched["wall_seconds"],
        result=searched,
        **about,
    )
    pack(
        f"{name}-5w1s",
        folder / best,
        [search, f"{decode} > {genotype}", train],
        title=f"T-NAS's genotype {digest}, trained by ProtoNets",
        method="protonets",
        tasks=recipe.trained,
        seconds=searched["wall_seconds"] + trained["wall_seconds"],
        result=searched,
        **about,
    )


def run(command: str, folder: Path, output: str, record: int = -1) -> dict[str, Any]:
    """The record at a place of a command's JSON output, from the file that keeps it."""
    path = folder / output
    if not path.is_file():
        print(command, flush=True)
        words = [sys.executable, "-m", "tnas_cli", *shlex.split(command)[1:]]
        words += [] if "--json" in words else ["--json"]
        done = subprocess.run([*words, "--quiet"], cwd=folder, check=True, capture_output=True, text=True)
        path.write_text(done.stdout, encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").splitlines()[record])
    return found


def pack(name: str, best: Path, commands: Sequence[str], *, result: dict[str, Any], **card: Any) -> None:
    """Write the file, without what only the training needs, and the card with what it reaches."""
    saved = checkpoint.load(best, checkpoint.META_ARCHITECTURE, checkpoint.DECODED_WEIGHTS)
    kept = {key: tensor for key, tensor in saved.tensors.items() if key.startswith("parameters/")}
    about = {key: value for key, value in saved.about.items() if key != "environment"}
    about["progress"] = {"tasks_done": saved.about["progress"]["tasks_done"]}
    file = ZOO / f"{name}.pt"
    checkpoint.save(file, checkpoint.Checkpoint(saved.kind, about, kept))
    preparation = result["preparation"]
    written = ModelCard(
        name=name,
        dataset=result["dataset"],
        protocol=result["protocol"],
        size=preparation["size"],
        image_channels=preparation["channels"],
        processor=result["processor"],
        commands=tuple(commands),
        accuracy=tuple(measured(file, result["dataset"], shot) for shot in MEASURED_SHOTS),
        bytes=file.stat().st_size,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        **card,
    )
    (ZOO / f"{name}.json").write_text(json.dumps(written.to_json(), indent=2) + "\n", encoding="utf-8")
    print(
        f"{name}: {written.bytes:,} bytes", *(f"{row.shot}-shot {row.inductive.mean:.4f}" for row in written.accuracy)
    )


def measured(model: Path, dataset: str, shot: int) -> ShotAccuracy:
    """What it reaches on the first test tasks with so many support images."""
    command = (
        f"adapt {shlex.quote(str(model))} --dataset {dataset} --shot {shot} --tasks {MEASURED_TASKS} --json --quiet"
    )
    if dataset == "omniglot":  # a class has 20 drawings
        command += f" --query {min(15, 20 - shot)}"
    words = [sys.executable, "-m", "tnas_cli", *shlex.split(command)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    found = json.loads(done.stdout.splitlines()[-1])
    together = Accuracy(mean=found["mean"], interval=found["interval"], ece=found["ece"])
    alone = Accuracy(**{key: found["inductive"][key] for key in ("mean", "interval", "ece")})
    return ShotAccuracy(way=found["way"], shot=shot, tasks=found["tasks"], inductive=alone, transductive=together)


if __name__ == "__main__":
    main()
