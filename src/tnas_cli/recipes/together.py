"""The units of several runs at the same time, on one cluster: those of a search or a training with several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tnas_cli.errors import TnasError
from tnas_cli.recipes.sent import Sent
from tnas_cli.recipes.units import Bar, Elsewhere, Units, UnitsWork, apart, on_cluster
from tnas_cli.runs import events
from tnas_cli.runs.life import Life
from tnas_cli.runs.recipe import Work
from tnas_cli.runs.run_directory import RunDirectory


class Joined(Units):
    """The units of several runs, one run after another; the item that a unit has in its own run is in `places`."""

    def __init__(self, parts: Sequence[tuple[RunDirectory, Units]]) -> None:
        self.parts, self.unit = parts, parts[0][1].unit
        self.places = [(which, item) for which, (_, units) in enumerate(parts) for item in range(len(units))]

    def __len__(self) -> int:
        return len(self.places)

    def file(self, run: RunDirectory, item: int) -> Path:
        which, own = self.places[item]
        its, units = self.parts[which]
        return units.file(its, own)

    def do(self, life: Life, item: int) -> None:
        raise NotImplementedError("a cluster's workers do each in its own run")


class Anywhere:
    """Does single units of several runs in another process, which keeps one run's data and network at a time. Where
    workers see no files of this process, each run has a folder of its own in that of a process."""

    def __init__(self, runs: Sequence[Elsewhere | Sent], places: Sequence[tuple[int, int]]) -> None:
        self.runs, self.places, self.on_gpu = runs, places, runs[0].on_gpu
        self.sent = [run for run in runs if isinstance(run, Sent)]

    def __call__(self, item: int, listener: Callable[[events.Event], None]) -> None:
        which, own = self.places[item]
        for number, run in enumerate(self.runs):
            if number != which:
                run.let_go()
        self.runs[which](own, listener)

    def common(self) -> dict[str, Path]:
        return {f"{n}/{place}": path for n, run in enumerate(self.sent) for place, path in run.common().items()}

    def own(self, item: int) -> dict[str, Path]:
        which, own = self.places[item]
        return {f"{which}/{place}": path for place, path in self.sent[which].own(own).items()}

    def in_folder(self, folder: Path) -> None:
        for number, run in enumerate(self.sent):
            run.in_folder(folder / str(number))

    def receive(self, files: Mapping[str, bytes | None]) -> None:
        for number, run in enumerate(self.sent):
            start = f"{number}/"
            run.receive({name.removeprefix(start): files[name] for name in files if name.startswith(start)})


def do_together(stage: str, works: Sequence[Work], lives: Sequence[Life]) -> list[Work]:
    """Do the units of a stage of all runs on the cluster of their machine; returns works that have only their results
    to make."""
    units_works = [work for work in works if isinstance(work, UnitsWork)]
    lives[0].listener(events.Note(f"{len(lives)} runs: {', '.join(str(life.run.path) for life in lives)}"))
    parts = [(life.run, work.units(stage, life.run)) for work, life in zip(units_works, lives, strict=True)]
    joined, cluster = Joined(parts), units_works[0].machine.cluster
    assert cluster is not None
    folders = [life.run.path.resolve() for life in lives]
    runs = [apart(work, stage, life.run) for work, life in zip(units_works, lives, strict=True)]
    bar = Bar(lives[0], stage, joined, shared=True)
    form = on_cluster(Anywhere(runs, joined.places), cluster, *folders)
    aside = form(iter(joined.left(lives[0].run)), bar.heard, bar.said)
    own: list[dict[int, TnasError]] = [{} for _ in works]
    for item, error in aside.items():
        which, place = joined.places[item]
        own[which][place] = error
    return [work.after(errors) for work, errors in zip(units_works, own, strict=True)]
