"""What a run that another process works on has reached, stage by stage, from the records of its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tnas_cli.plain import as_written
from tnas_cli.records.kinds import Record, Step, Validated
from tnas_cli.runs.events import Seen
from tnas_cli.runs.progress_of import SUPERVISED, Networks, given_to, networks_of
from tnas_cli.runs.run_file import NAME, RunFile

#: The stage that stands for all networks of a run, and its unit.
NETWORKS = "networks"
_SHOWN = ("loss", "accuracy", "validation")


@dataclass
class Stage:
    """The latest numbers of a stage. `first`: what was done at its first validation."""

    unit: str = "tasks"
    done: int = 0
    first: int | None = None
    values: dict[str, float] = field(default_factory=dict)

    def add(self, record: Step | Validated) -> None:
        """Take the numbers of a later record."""
        self.unit, self.done = record.unit, record.done
        if isinstance(record, Validated):
            self.first = self.first or record.done
            self.values["validation"] = record.accuracy
        else:
            shown = (*_SHOWN, f"{record.unit}/s")
            self.values |= {name: record.values[name] for name in shown if name in record.values}

    @property
    def rate(self) -> float:
        """Units per second; 0 where that is not known."""
        return self.values.get(f"{self.unit}/s", 0.0)


class Watched:
    """The stages of the run in a folder; `file` is its run.json. Raises DataError for damaged genotypes."""

    def __init__(self, run: Path, file: RunFile, clock: Callable[[], float] = time.monotonic) -> None:
        self.run, self.file, self._clock = run, file, clock
        self._given = given_to(run)
        self.stages: dict[str, Stage] = {}
        self._networks: Networks | None = None
        self._first: tuple[float, int] | None = None

    def look(self, records: Iterable[Record]) -> Iterator[Seen]:
        """The stages that have changed, by the new records of the log and the networks that are finished.

        Raises DataError for a damaged file.
        """
        changed = set()
        for record in records:
            if isinstance(record, Step | Validated):
                self.stages.setdefault(record.stage, Stage()).add(record)
                changed.add(record.stage)
        networks = networks_of(self.run, self.file, self._given)
        finished = networks.finished if networks is not None else frozenset()
        yield from (self._seen(name) for name in self.stages if name in changed and name not in finished)
        if networks is not None and networks != self._networks:
            self._networks = networks
            self._first = self._first or (self._clock(), len(finished))
            yield Seen(NETWORKS, len(finished), networks.asked, NETWORKS, left=self._left(networks))

    def _seen(self, name: str) -> Seen:
        stage = self.stages[name]
        asked = self._asked(stage)
        left = None if asked is None or not stage.rate else max(0, asked - stage.done) / stage.rate
        return Seen(name, stage.done, asked, stage.unit, stage.values, left)

    def _asked(self, stage: Stage) -> int | None:
        """How much was asked of a stage; None where a time limit decides, or the data, before the first epoch ends."""
        settings = self.file.settings
        with as_written(self.run / NAME):
            if self.file.kind == "transfer":  # which validates after every epoch
                return None if stage.first is None else stage.first * int(settings["epochs"])
            if self.file.kind == SUPERVISED or float(settings["hours"]):
                return None
            return int(settings["tasks"])

    def _left(self, networks: Networks) -> float | None:
        """Seconds until all networks are finished, by how long those took that were finished since the first look."""
        assert self._first is not None
        since, before = self._first
        count = len(networks.finished) - before
        if networks.asked is None or count < 1:
            return None
        return (networks.asked - len(networks.finished)) * (self._clock() - since) / count
