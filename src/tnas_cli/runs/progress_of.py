"""How much of a run was asked for and is done, from its small files and what its log says last.

search, inherited weights    tasks of one training
train-eval                   tasks of all networks together; a finished network has `<digest>/result.json`
train-eval --until           the same; how many networks there will be, nobody knows
transfer                     networks: how many batches one needs, only its data say
supervised                   networks: found.json says which, and networks/ holds the finished ones
grow                         networks: level-N.json says which, and level-N/ holds the finished ones
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tnas_cli.plain import as_written
from tnas_cli.records import reading
from tnas_cli.records.kinds import Decoded, FixedNetwork, Record, Step, Validated
from tnas_cli.runs.contents import GIVEN, RESULT
from tnas_cli.runs.files import read_json
from tnas_cli.runs.run_file import NAME, RunFile

Given: TypeAlias = Decoded | FixedNetwork
TRAINED, SUPERVISED, UNTIL, GROWN = ("train-eval", "transfer"), "supervised", "until", "grow"


@dataclass(frozen=True)
class Networks:
    """How many networks a run trains (`asked`; None if it does not say yet), and the names of the finished ones."""

    asked: int | None
    finished: frozenset[str]


@dataclass(frozen=True)
class Amounts:
    """`done` of `asked` units; None where that is not known."""

    done: int | None
    asked: int | None
    unit: str


def networks_of(run: Path, file: RunFile, given: Iterable[Given]) -> Networks | None:
    """The networks of a run that was `given` these; None for one that trains a single search network. Raises DataError
    for a damaged file."""
    if file.kind == SUPERVISED:
        return Networks(_found(run / "found.json"), frozenset(path.stem for path in (run / "networks").glob("*.json")))
    if file.kind == UNTIL:
        return Networks(None, frozenset(str(path.parent.relative_to(run)) for path in run.glob(f"*/**/{RESULT}")))
    if file.kind == GROWN:
        return Networks(_to_grow(run, file), frozenset(path.parent.name for path in run.glob(f"level-*/*/{RESULT}")))
    if file.kind not in TRAINED:
        return None
    distinct = len({json.dumps(_identity(record), sort_keys=True) for record in given})
    limit = file.options.get("limit")
    asked = min(distinct, limit) if isinstance(limit, int) and limit > 0 else distinct
    return Networks(asked or None, frozenset(path.parent.name for path in run.glob(f"*/{RESULT}")))


def given_to(run: Path) -> list[Given]:
    """The genotypes and fixed networks that a run was given; raises DataError for a damaged file."""
    found = reading.read(run / GIVEN) if (run / GIVEN).is_file() else []
    return [record for record in found if isinstance(record, Decoded | FixedNetwork)]


def amounts(run: Path, file: RunFile, networks: Networks | None, log: Iterable[Record]) -> Amounts:
    """What is done of what was asked, by the last records of the log. Raises DataError for damaged settings."""
    last = last_done(log)
    with as_written(run / NAME):
        if file.kind in ("transfer", SUPERVISED, GROWN) and networks is not None:
            return Amounts(len(networks.finished), networks.asked, "networks")
        each, hours = max(1, int(file.settings["tasks"])), float(file.settings["hours"])
    if networks is None:
        return Amounts(max(last.values(), default=0), None if hours else each, "tasks")
    done = len(networks.finished) * each + sum(n for name, n in last.items() if name not in networks.finished)
    return Amounts(done, None if hours or networks.asked is None else networks.asked * each, "tasks")


def last_done(log: Iterable[Record]) -> dict[str, int]:
    """How many tasks or batches of each stage are done, by the last record of each."""
    return {record.stage: record.done for record in log if isinstance(record, Step | Validated)}


def _identity(record: Given) -> object:
    if isinstance(record, FixedNetwork):
        return [record.network, record.channels]
    return [record.space, record.genotype]


def _found(path: Path) -> int | None:
    """How many different genotypes the tasks of a supervised run have; None if they are not found yet."""
    if not path.is_file():
        return None
    found = read_json(path)
    with as_written(path):
        return len({json.dumps(genotype, sort_keys=True) for task in found["genotypes"] for genotype in task})


def _to_grow(run: Path, file: RunFile) -> int | None:
    """How many cells are trained in all sizes; None before the first ones are chosen."""
    first = run / "level-1.json"
    if not first.is_file():
        return None
    with as_written(first):
        cells = len(read_json(first)["cells"])
    with as_written(run / NAME):
        return cells + int(file.settings["beam"]) * (int(file.settings["nodes"]) - 1)
