"""Units for workers that see no files of this process: what a unit needs is sent, and what it makes comes back.

On a worker, a process has a folder of its own: `run/` is as much of the run's folder as its units need, and `files/`
has the data set and the checkpoints that the recipe names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.runs import events, shipped
from tnas_cli.runs.contents import LOG, SETTINGS
from tnas_cli.runs.drive import SECONDS_BETWEEN_CHECKPOINTS
from tnas_cli.runs.files import remove, write_bytes
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory

if TYPE_CHECKING:
    from tnas_cli.recipes.units import Elsewhere, Units, UnitsWork

RUN, FILES = "run", "files"


def placed(files: Iterable[Path]) -> dict[str, Path]:
    """Files by their places in a process's folder; those of one folder stay together."""
    found = list(dict.fromkeys(files))
    folders = list(dict.fromkeys(path.parent for path in found))
    return {f"{FILES}/{folders.index(path.parent)}/{path.name}": path for path in found}


def lie_in(folder: Path, files: Mapping[str, Path]) -> None:
    """Take these files, which another machine knows by their paths, from their places in a folder."""
    for place, path in files.items():
        shipped.lies(path, folder / place)


class Sent:
    """Does single units of a run in a folder that has what they need; as `scale.over_cluster.Sent`."""

    def __init__(self, elsewhere: Elsewhere, work: UnitsWork, run: RunDirectory) -> None:
        self.elsewhere, self.on_gpu = elsewhere, elsewhere.on_gpu
        self.seconds_at_a_time = SECONDS_BETWEEN_CHECKPOINTS
        self.files = placed(work.reads)
        self.client: tuple[Units, RunDirectory] | None = (work.units(elsewhere.stage, run), run)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"client": None}

    def common(self) -> dict[str, Path]:
        units, run = self._client
        return self.files | {self._place(path): path for path in (run.path / SETTINGS, *units.reads(run))}

    def own(self, item: int) -> dict[str, Path]:
        """The checkpoints beside the file that it leaves."""
        units, run = self._client
        beside = units.file(run, item).parent
        return {self._place(path): path for path in sorted(beside.glob("*.pt"))}

    @property
    def _client(self) -> tuple[Units, RunDirectory]:
        assert self.client is not None
        return self.client

    def _place(self, path: Path) -> str:
        return f"{RUN}/{path.relative_to(self._client[1].path).as_posix()}"

    def in_folder(self, folder: Path) -> None:
        self.folder = folder
        self.elsewhere.machine = replace(self.elsewhere.machine, cache_root=(folder / next(iter(self.files))).parent)

    def __call__(self, item: int, listener: Callable[[events.Event], None]) -> None:
        lie_in(self.folder, self.files)
        run = RunDirectory(self.folder / RUN, known_as=self.elsewhere.run)
        life = Life(run, listener, seconds_at_a_time=self.seconds_at_a_time)
        self.elsewhere.prepared(run).do(life, item)

    def let_go(self) -> None:
        """Give up the data and the network of this run."""
        self.elsewhere.let_go()

    def receive(self, files: Mapping[str, bytes | None]) -> None:
        """As `drive` does, it keeps the log first; then checkpoints, and results last."""
        _, run = self._client
        named = {place.removeprefix(f"{RUN}/"): content for place, content in files.items()}
        if log := named.pop(LOG, None):
            run.receive_log(log.decode())
        for name in sorted(named, key=lambda name: (name.endswith(".json"), name.endswith("last.pt"))):
            content = named[name]
            if content is None:
                remove(run.path / name)
            else:
                write_bytes(run.path / name, content)
