"""`tnas transfer --method random`: the best of random genotypes by validation, as DARTS's random baseline has it.

Liu et al. (2019, Section 3.2): 24 architectures are drawn at random, each is trained for 100 epochs, and the best by
validation error is trained from scratch. How they are drawn is not stated; here all sources and operations are equally
likely. Each candidate is trained as the final network is, with its cosine over the fewer epochs, on the training images
alone, and judged by the validation images after the last epoch. No test image is looked at.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.plain import as_written
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.units import Units, do_all
from tnas_cli.records import writing
from tnas_cli.runs import events
from tnas_cli.runs.files import read_json, remove, write_text
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.seeds import numpy_generator
from tnas_cli.settings.transfer import TransferSettings
from tnas_cli.spaces.genotype import Genotype
from tnas_cli.spaces.registry import space

if TYPE_CHECKING:
    from tnas_cli.recipes.transfer import TransferWork

#: The first stage; the second trains the chosen network.
CANDIDATES = "candidates"

#: The record of the chosen genotype in a run's folder, with what the choice was made by.
CHOSEN, CHOICE = "chosen.jsonl", "choice.json"


def drawn(settings: TransferSettings) -> tuple[Genotype, ...]:
    """Genotypes of the usual space, drawn at random, one after the other until there are `settings.genotypes` different
    ones."""
    usual, found, number = space(), dict[Genotype, None](), 0
    while len(found) < settings.genotypes:
        generator = numpy_generator(settings.seed, "random baseline", number)
        found.setdefault(usual.random(generator, usual.nodes))
        number += 1
    return tuple(found)


def short(settings: TransferSettings) -> TransferSettings:
    """How a candidate is trained."""
    return settings.replace(epochs=settings.choice_epochs, train_split="train")


@dataclass(frozen=True)
class Candidates(Units):
    """Each random genotype, trained for a short time and measured on the validation images."""

    work: TransferWork

    def __len__(self) -> int:
        return len(self.work.candidates)

    def file(self, run: RunDirectory, item: int) -> Path:
        return run.path / CANDIDATES / self.work.candidates[item].digest / "result.json"

    def do(self, life: Life, item: int) -> None:
        done, began = self.file(life.run, item), time.monotonic()
        last = done.with_name("last.pt")
        stopped = last.is_file()
        state = self.work.trained(life, item, done.parent, f"candidate {item + 1}")
        kept = {
            "accuracy": state.history[-1]["accuracy"],
            # A candidate that was stopped took longer than this call knows.
            "seconds": None if stopped else time.monotonic() - began,
        }
        write_text(done, json.dumps(kept) + "\n")
        remove(last)


def chosen(work: TransferWork, life: Life) -> Genotype:
    """The best candidate by validation, the earlier of equally good ones; the candidates are trained first where they
    are not. Those that were set aside on a cluster do not count; raises the error of one if all were."""
    aside = do_all(work, CANDIDATES, life)
    units, table = Candidates(work), list[dict[str, Any]]()
    for item, cells in enumerate(work.candidates):
        if (file := units.file(life.run, item)).is_file():
            with as_written(file):
                kept = read_json(file)
                table.append({"digest": cells.digest, "accuracy": float(kept["accuracy"]), "seconds": kept["seconds"]})
    if not table:
        raise next(iter(aside.values()))
    if aside:
        note = f"choosing among {len(table)} of {len(units)} candidates: the others were set aside"
        life.listener(events.Note(note))
    best = max(table, key=lambda row: row["accuracy"])["digest"]
    genotype = next(one for one in work.candidates if one.digest == best)
    life.once(CHOICE, lambda: table)
    origin = Origin(method=work.settings.method, run=str(life.run.known_as), seed=work.settings.seed)
    if not (file := life.run.path / CHOSEN).is_file():
        write_text(file, writing.line(decoded(genotype, origin)))
    return genotype


def seconds_of_choice(run: RunDirectory) -> float | None:
    """What all candidates took; None where one was stopped on its way."""
    with as_written(run.path / CHOICE):
        seconds = [row["seconds"] for row in read_json(run.path / CHOICE)]
        found = math.nan if None in seconds else sum(map(float, seconds))
    return None if math.isnan(found) else found
