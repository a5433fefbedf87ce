"""All networks of a run of `tnas train-eval`: the units of that run, for as long as there is time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.errors import TnasError
from tnas_cli.plain import as_written
from tnas_cli.recipes.few_shot_result import Trained
from tnas_cli.recipes.train_network import STAGE, finished, result_file, train_network
from tnas_cli.recipes.units import Units, do_all
from tnas_cli.runs import events
from tnas_cli.runs.files import read_json
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory

if TYPE_CHECKING:
    from tnas_cli.recipes.from_scratch import FromScratchWork


@dataclass(frozen=True)
class Networks(Units):
    """Each distinct network, trained and tested."""

    work: FromScratchWork

    def __len__(self) -> int:
        return len(self.work.chosen)

    def file(self, run: RunDirectory, item: int) -> Path:
        return result_file(self.work, run, item)

    def do(self, life: Life, item: int) -> None:
        train_network(self.work, life, item)


@dataclass(frozen=True)
class Reached:
    """The networks that are finished, in the order of the work, and the errors of those that were set aside."""

    trained: Sequence[Trained]
    aside: Mapping[str, TnasError]


def train_networks(work: FromScratchWork, life: Life) -> Reached:
    """Train and test the networks that are not finished.

    With `settings.hours` and several networks, none is started that would not end in time if it took as long as the
    longest so far; the first is always trained. Raises StoppedError with everything saved.
    """
    files = [result_file(work, life.run, position) for position in range(len(work.chosen))]
    aside = do_all(work, STAGE, life, _positions(work, files)) if work.done is None else work.done
    reached = [finished(work, life.run, position) for position in range(len(work.chosen))]
    trained = [entry for entry in reached if entry is not None]
    if not trained:
        raise next(iter(aside.values()))
    if len(trained) < len(reached):
        why = "the others were set aside" if aside else f"{work.settings.hours:g} hours leave no time for another one"
        life.listener(events.Note(f"trained {len(trained)} of {len(reached)} genotypes: {why}"))
    return Reached(trained, {work.chosen[position][0].name: error for position, error in sorted(aside.items())})


def _positions(work: FromScratchWork, files: Sequence[Path]) -> Iterator[int]:
    """Which networks are left to train, for as long as there is time."""
    limit = work.settings.hours * 3600 if work.settings.hours and len(work.chosen) > 1 else math.inf
    left = [position for position, file in enumerate(files) if not file.is_file()]
    before, begin = sum(map(_seconds, files)), time.monotonic()
    for position in left:
        longest = max(map(_seconds, files)) * work.count
        if longest and before + time.monotonic() - begin + longest > limit:
            return
        yield position


def _seconds(file: Path) -> float:
    """The share of the run's time that a finished network took; 0 for others."""
    if not file.is_file():
        return 0.0
    with as_written(file):
        return float(read_json(file).get("seconds", 0.0))
