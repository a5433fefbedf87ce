"""The commands that are killed, with inputs so small that each takes about a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.episodes.small_data import CHARACTERS
from tests.methods import class_pictures
from tests.running import Argument, class_tree, drawing, succeeding, task_folder
from tnas_cli.settings.preset import Kind

#: The smallest network, one inner step, and a checkpoint after every second step (`trials.QUICK`).
NETWORK = ("--way", 2, "--shot", 1, "--query", 1, "--channels", 2, "--space", "tiny", "--nodes", 2, "--inner-steps", 1)
SEARCH = (*NETWORK, "--test-steps", 1, "--meta-batch", 2, "--tasks", 8, "--validate-every", 4, "--validation-tasks", 2)
TRAINING = ("--query", 1, "--tasks", 8, "--meta-batch", 2, "--validate-every", 4, "--validation-tasks", 2)
STEPS = ("--inner-steps", 1, "--test-steps", 1)
TESTING = (*STEPS, "--test-tasks", 2, "--limit", 2)
SUPERVISED = {"way": 2, "shot": 3, "query": 2, "tasks": 2, "channels": 4, "batch": 6, "padding": 1, "epochs": 2}
TRANSFER = {"layers": 3, "channels": 4, "epochs": 2, "batch": 24, "cutout": 4, "padding": 1, "learning_rate": 0.05}


#: The settings of a preset that is called tiny, for commands that take no settings but a preset's.
TINY: dict[Kind, dict[str, Any]] = {
    "search": {"space": "tiny", "channels": 2, "nodes": 2},
    "train_eval": {"test_tasks": 2},
}
for _settings in TINY.values():
    _settings |= {"query": 1, "tasks": 4, "meta_batch": 2, "validate_every": 2, "validation_tasks": 2}
    _settings |= {"inner_steps": 1, "test_steps": 1}


@dataclass(frozen=True)
class Job:
    """A command, in a folder that `before` has made; `stdin`: the file that it reads.

    Killed, it is continued: a run with `tnas resume`, or else by the same command again. `continues`: the command
    itself continues a run, or several. `alone`: one process does all. `once`: the command is not called again if
    this is there.
    """

    name: str
    arguments: tuple[Argument, ...]
    before: Callable[[Path], object] = lambda root: None
    stdin: Path | None = None
    continues: bool = False
    alone: bool = True
    once: str | None = None

    def again(self, root: Path) -> tuple[Argument, ...]:
        """What a person types after the kill, in the folder `root`; nothing where there is nothing left to do."""
        if self.once is not None and (root / self.once).exists():
            return ()
        runs = [] if self.continues else sorted((root / "runs").glob("[!.]*"))
        return ("resume", f"runs/{runs[0].name}", "--json") if runs else self.arguments


def jobs(base: Path) -> Iterator[Job]:
    """Every command, with the inputs that it needs below `base`, which exists; making them takes a while."""
    from tests.killing.trials import stopped

    for split, numbers in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        class_tree(base / "shapes" / split, numbers, images=4)
    _omniglot(base / "characters")
    (base / "list.csv").write_text(
        "path,label,split\n"
        + "".join(f"{p},{p.parts[-2]},{p.parts[-3]}\n" for p in sorted((base / "shapes").rglob("*.png")))
    )
    task = task_folder(base / "task", range(9, 11))
    yield from _preparing(base)

    succeeding("prepare-data", "folder", "--source", base / "shapes", "--size", 20, "--cache-dir", base / "cache")
    here = ("--cache-dir", base / "cache", "--threads", 1, "--device", "cpu", "--json")
    torch = ("--engine", "torch", *here)
    data, runs = ("--dataset", "shapes"), ("--runs", "runs")
    search = Job("search", ("search", *data, *SEARCH, *runs, *torch))
    yield search
    yield Job("search, ensemble", ("search", *data, *SEARCH, "--tasks", 12, "--ensemble", 2, *runs, *torch))

    found = succeeding("search", *data, *SEARCH, "--runs", base / "runs", *torch).result
    best = found["checkpoint"]
    adapted, decoded = base / "adapted.jsonl", base / "decoded.jsonl"
    adapted.write_text(succeeding("adapt", best, *data, "--tasks", 4, *torch).stdout)
    decoded.write_text(succeeding("decode", adapted, "--json").stdout)
    train = ("train-eval", "-", *TRAINING, *runs, *torch)
    scratch = Job("train-eval", (*train, *TESTING), stdin=decoded)
    yield scratch
    yield Job("train-eval, side by side", (*train, *TESTING, "--side-by-side", 2), stdin=decoded, alone=False)
    yield Job("train-eval, inherited", (*train, "--weights", "inherited", "--checkpoint", best), stdin=decoded)

    class_pictures.characters(base / "signs-drawn-20.h5")
    class_pictures.cache(base / "toy-images-20.h5")
    options = {name: _options(values) for name, values in (("supervised", SUPERVISED), ("transfer", TRANSFER))}
    images = ("--dataset", base / "signs-drawn-20.h5", *options["supervised"], "--method", "random", "--genotypes", 1)
    yield Job("supervised", ("supervised", *images, *runs, *torch))
    pictures = ("--dataset", base / "toy-images-20.h5", *options["transfer"])
    yield Job("transfer", ("transfer", "DARTS_V2", *pictures, *runs, *here))
    drawing = ("--method", "random", "--genotypes", 2, "--choice-epochs", 1)
    yield Job("transfer, random", ("transfer", *pictures, *drawing, *runs, *here))

    short = ("--method", "maml", "--first", 2, "--beam", 1, "--nodes", 2)
    yield Job("grow", ("grow", *data, *TRAINING, *short, *runs, *torch))

    for split, numbers in (("train", range(5)), ("val", range(5, 10)), ("test", range(10, 15))):
        class_tree(base / "letters" / split, numbers, images=2)
    succeeding("prepare-data", "folder", "--source", base / "letters", "--size", 20, "--cache-dir", base / "cache")
    rows = ("--row", "maml", "--row", "t-nas", "--shot", 1, "--preset", "tiny", "--test-tasks", 2)
    yield Job("reproduce", ("reproduce", "table2", *rows, "--dataset", "letters", *runs, *torch), continues=True)

    yield Job("adapt", ("adapt", best, *data, "--tasks", 4, *torch))
    yield Job("adapt --save", ("adapt", best, task, "--save", "models/own.pt", *torch))
    yield from _reports(base, Path(found["run"]), adapted)
    yield from _resumes(base, search, scratch, stopped)


def _preparing(base: Path) -> Iterator[Job]:
    into = ("--cache-dir", "cache", "--json")
    yield Job("prepare-data glyphs", ("prepare-data", "glyphs", "--size", 20, *into))
    yield Job("prepare-data folder", ("prepare-data", "folder", "--source", base / "shapes", "--size", 20, *into))
    listed = ("--source", base / "list.csv", "--name", "listed", "--size", 20, "--preview", "sheet.png")
    yield Job("prepare-data list", ("prepare-data", "folder", *listed, *into))
    yield Job("prepare-data omniglot", ("prepare-data", "omniglot", "--source", base / "characters", *into))

    def kept(root: Path) -> None:
        succeeding("prepare-data", "folder", "--source", base / "shapes", "--size", 20, "--cache-dir", root / "cache")

    anew = ("prepare-data", "folder", "--source", base / "shapes", "--size", 20, "--force", *into)
    yield Job("prepare-data --force", anew, kept)


def _reports(base: Path, run: Path, adapted: Path) -> Iterator[Job]:
    yield Job("report", ("report", adapted, "-o", "table.csv", "--quiet"))
    yield Job("report --html", ("report", run, adapted, "--html", "page.html", "--json"))
    yield Job("report --figures", ("report", run, "--figures", "figures", "--json"))
    model = base / "model.pt"
    succeeding("adapt", run / "best.pt", base / "task", "--save", model, "--engine", "torch", "--threads", 1)
    yield Job("predict", ("predict", model, base / "task" / "query", "--sort-into", "sorted", "--json"))
    yield Job("example task", ("models", "--example", "example", "--json"), once="example")


def _resumes(base: Path, search: Job, scratch: Job, stopped: Callable[[Path, Job, bool], Path]) -> Iterator[Job]:
    """Runs that were stopped half-way, or finished, and are resumed."""
    for job in (search, scratch):
        half = stopped(base / f"half-{job.name}", job, False)
        (run,) = (half / "runs").iterdir()
        words = ("resume", f"runs/{run.name}", "--json")
        yield Job(f"resume of {job.name}", words, _copier(half), continues=True)
    whole = stopped(base / "whole", search, True)
    (run,) = (whole / "runs").iterdir()
    words = ("resume", f"runs/{run.name}", "--json")
    yield Job("resume, finished", words, _copier(whole), continues=True)
    yield Job("resume --hours", (*words, "--hours", 1), _copier(whole), continues=True)


def _copier(place: Path) -> Callable[[Path], object]:
    return lambda root: shutil.copytree(place, root, dirs_exist_ok=True)


def _omniglot(root: Path) -> None:
    for number, name in enumerate(CHARACTERS):
        (root / name).mkdir(parents=True)
        for variant in range(20):
            drawing(number, variant).save(root / name / f"{number:04d}_{variant + 1:02d}.png")


def _options(values: dict[str, float]) -> tuple[Argument, ...]:
    words = ((f"--{name.replace('_', '-')}", str(value)) for name, value in values.items())
    return tuple(word for pair in words for word in pair)
