"""Work for units on a cluster, in a module that its workers can import."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.running import until
from tnas_cli.errors import DataError, TnasError
from tnas_cli.runs.events import Event, Note, Progress
from tnas_cli.runs.interrupt import StoppedError, stop_request
from tnas_cli.runs.run_file import NAME
from tnas_cli.scale import gpus

Listener = Callable[[Event], None]


class Write:
    """Leaves a file per item, with the process that did it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int, listener: Listener) -> None:
        listener(Note(f"item {item}"))
        with (self.folder / f"{item}.tried").open("a") as file:
            file.write(f"{os.getpid()}\n")
        self.work(item, listener)
        (self.folder / f"{item}.done").write_text("done")

    def work(self, item: int, listener: Listener) -> None:
        """What takes time."""

    def tried(self, item: int) -> list[int]:
        """The processes that tried it."""
        file = self.folder / f"{item}.tried"
        return [int(line) for line in file.read_text().split()] if file.is_file() else []

    def done(self) -> set[int]:
        return {int(file.stem) for file in self.folder.glob("*.done")}


class Fail(Write):
    """Item 1 always fails."""

    def work(self, item: int, listener: Listener) -> None:
        if item == 1:
            raise TnasError("no luck.", hint="try again")


class Break(Write):
    """Item 1 breaks."""

    def work(self, item: int, listener: Listener) -> None:
        if item == 1:
            raise ZeroDivisionError("by zero")


class Refuse(Write):
    """No item has data."""

    def work(self, item: int, listener: Listener) -> None:
        raise DataError("no images.", hint="add some")


class Die(Write):
    """The process of item 1 ends abruptly, the first two times."""

    def work(self, item: int, listener: Listener) -> None:
        if item == 1 and len(self.tried(1)) < 3:
            os._exit(9)


class Wait(Write):
    """Works until a file `go` is there; saves when it is asked to stop."""

    def work(self, item: int, listener: Listener) -> None:
        with stop_request() as stop:
            for step in range(2400):
                listener(Progress("work", step, 2400, "steps"))
                if (self.folder / "go").is_file():
                    return
                if stop:
                    (self.folder / f"{item}.saved").write_text("saved")
                    raise StoppedError
                time.sleep(0.05)


class Count:
    """Counts to `end` in the process's own folder, from what it has saved; as `scale.over_cluster.Sent`."""

    def __init__(self, folder: Path, end: int) -> None:
        self.home, self.end = folder, end

    def common(self) -> dict[str, Path]:
        return {NAME: self.home / NAME}

    def own(self, item: int) -> dict[str, Path]:
        file = self.home / f"{item}.saved"
        return {file.name: file} if file.is_file() else {}

    def in_folder(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int, listener: Listener) -> None:
        saved = self.folder / f"{item}.saved"
        with stop_request() as stop:
            for number in range(int(saved.read_text()) if saved.is_file() else 0, self.end):
                listener(Progress("count", number + 1, self.end, "numbers"))
                saved.write_text(str(number + 1))
                if stop:
                    raise StoppedError
                time.sleep(0.05)
        saved.unlink()
        (self.folder / f"{item}.done").write_text(str(self.end))

    def receive(self, files: Mapping[str, bytes | None]) -> None:
        for name, content in files.items():
            if content is None:
                (self.home / name).unlink()
            else:
                (self.home / name).write_bytes(content)


class OnGpu(Write):
    """Says which of two GPUs its process computes on, and waits until both are in use."""

    on_gpu = True

    def __setstate__(self, state: dict[str, Any]) -> None:
        """In the process that does it, before that chooses."""
        self.__dict__.update(state)
        gpus.count = lambda: 2
        gpus.folder = lambda: self.folder / "gpus"
        gpus.compute_on = lambda number: (self.folder / f"{os.getpid()}.gpu").write_text(str(number))

    def work(self, item: int, listener: Listener) -> None:
        until(lambda: len(self.used()) == 2)

    def used(self) -> dict[str, int]:
        """The GPU of each process."""
        return {file.stem: int(file.read_text() or -1) for file in self.folder.glob("*.gpu")}
