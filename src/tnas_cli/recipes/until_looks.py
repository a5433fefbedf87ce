"""What a run of `tnas train-eval --until` decides at its looks at the interval, and what it says of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tnas_cli.plain import as_written
from tnas_cli.recipes.trainable import network_of
from tnas_cli.runs.files import read_json, write_text
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.spelling import command, duration
from tnas_cli.until import Costs, Design, Plan, Study

if TYPE_CHECKING:
    from tnas_cli.recipes.until import TrainUntil

#: What a run has decided so far.
KEPT = "until.json"

#: More genotypes than this are not thought of.
MOST_GENOTYPES = 10**6


@dataclass(frozen=True)
class Kept:
    """What a run decided so far: the sizes at which it looked, and the next one; what networks and tests cost at the
    first look, and the plan that followed from it; how it ended."""

    designs: tuple[Design, ...]
    costs: Costs | None = None
    planned: Plan | None = None
    ended: str | None = None

    @classmethod
    def read(cls, run: RunDirectory, begin: Design) -> Kept:
        """From a run's folder; a new run begins with one size."""
        path = run.path / KEPT
        if not path.is_file():
            return cls((begin,))
        found = read_json(path)
        with as_written(path):
            designs = tuple(Design(**each) for each in found["designs"])
            costs = found["costs"] and Costs(**found["costs"])
            plan = found["planned"] and Plan(
                **found["planned"] | {name: Design(**found["planned"][name]) for name in ("next", "end")}
            )
            return cls(designs, costs, plan, found["ended"])

    def write(self, run: RunDirectory) -> None:
        """Into the run's folder."""
        write_text(run.path / KEPT, json.dumps(asdict(self)) + "\n")


@dataclass(frozen=True)
class Look:
    """A look at the interval: what was measured, and what follows from it. distinct: how many genotypes there are, of
    which `--limit` may allow fewer (`most`)."""

    recipe: TrainUntil
    distinct: int
    most: Design
    study: Study
    plan: Plan
    costs: Costs

    def lines(self, run: Path, *, first: bool) -> Iterator[str]:
        """It in words."""
        asked = _points(self.recipe.until)
        now = f"{self._size(self.study.design)}: {_points(self.study.found.interval)}"
        if first:
            each = f"a training takes {duration(self.costs.training)}, a test task {duration(self.costs.test)}"
            now = f"first look, {now}; {each}"
        yield now
        if self.plan.done:
            return
        if self.plan.reached:
            yield f"{asked} needs about {self._size(self.plan.end)}: about {duration(self.plan.seconds)} more"
            return
        instead, near = self._instead(), f"{math.ceil(1000 * self.plan.interval) / 10:g}"
        yield f"{asked} is out of reach: about {_points(self.plan.interval)} with {self._size(self.plan.end)}{instead}"
        yield f"it ends here; to go that far: {command('tnas', 'resume', run, '--until', near)}"

    def _instead(self) -> str:
        """How many genotypes would reach it, where that is known."""
        many = replace(self.most, genotypes=MOST_GENOTYPES)
        found = self.study.plan(self.recipe.until, self.costs, many)
        if not found.reached or found.end.genotypes <= self.most.genotypes:
            return ""
        more = "raise --limit" if found.end.genotypes <= self.distinct else "adapt to more tasks: tnas adapt --tasks N"
        return f"; about {self._size(found.end)} would reach it ({more})"

    def _size(self, design: Design) -> str:
        """'4 genotypes and 600 test tasks'."""
        network = network_of(self.recipe.given)
        parts = [network] if network else [_count(design.genotypes, "genotype")]
        parts += [_count(design.seeds, "seed")] if self.recipe.seeds > 1 else []
        return f"{', '.join(parts)} and {_count(design.tasks, 'test task')}"


def _points(share: float) -> str:
    return f"± {100 * share:.2f} points"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
