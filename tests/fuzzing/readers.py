"""What reads an input: the functions behind the commands, or the commands themselves, in this process."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
import typer.main

from tests.fuzzing.examples import SMALL, Example
from tnas_cli.cli import main as cli
from tnas_cli.commands.report import report
from tnas_cli.episodes import hdf5_child, registry, unchecked_hdf5
from tnas_cli.episodes.given_images import given_images
from tnas_cli.episodes.images import Squares, read_image
from tnas_cli.episodes.own_images import OwnImages
from tnas_cli.episodes.places import disk_file
from tnas_cli.episodes.task_folder import read_task_folder
from tnas_cli.episodes.tasks import evaluation_indices, load_batch
from tnas_cli.episodes.unpickle import unpickle
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import restore
from tnas_cli.methods.t_nas import search_network
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.kept_model import load_model
from tnas_cli.recipes.learned import load_learned
from tnas_cli.report.expectations import read_expectations
from tnas_cli.report.formats import FORMATS, render
from tnas_cli.runs import checkpoint
from tnas_cli.settings import file
from tnas_cli.settings.base import Settings
from tnas_cli.settings.file import COMMANDS

CPU = torch.device("cpu")
TNAS = typer.main.get_command(cli.app)


def command(*words: object) -> None:
    """`tnas WORDS` in this process; what it shows goes nowhere."""
    with (
        mock.patch.object(sys, "stdin", io.StringIO("")),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(cli._UsageError),  # Typer's own message
    ):
        TNAS.main(args=[str(word) for word in words], prog_name="tnas", standalone_mode=False)


def _cache(path: Path) -> None:
    cache = registry.ensure(str(path))
    cache.summary()
    cache.load(np.array([0, cache.class_offset[-1] - 1]))
    indices = evaluation_indices(cache, "test", 5, 1, 15, 2)
    load_batch(cache, indices, 1)


def _restored(path: Path) -> None:
    state = search_method(SMALL.method).start(search_network(SMALL, 1), SMALL, CPU)
    restore(checkpoint.load(path, checkpoint.META_ARCHITECTURE), state)


def _exported(path: Path) -> None:
    command("decode", path, "--json")


def _image(path: Path) -> None:
    image = read_image(path, needed=20)
    for channels in (1, 3):
        assert Squares(20, channels).of(image).shape == (20, 20, channels)


def _task(path: Path) -> None:
    """The image as one of two classes of a task folder."""
    for name in "ab":
        (path.parent / "task" / "support" / name).mkdir(parents=True)
    path.replace(path.parent / "task" / "support" / "a" / path.name)
    (path.parent / "task" / "support" / "b" / "b.ppm").write_bytes(b"P6 1 1 255 abc")
    read_task_folder(path.parent / "task", OwnImages(20, 3, (0.5,) * 3, (0.5,) * 3, "auto"))


def _prepared(path: Path) -> None:
    registry.prepare(
        "folder", source=path, size=20, root=path.parent / "cache", own_name="own", skip_bad=len(path.name) % 2 == 0
    )


def _found(path: Path) -> None:
    """What the command `report` does, without its command line."""
    found = report([path], table=2 + path.stat().st_size % 7)
    for form in FORMATS:
        if form != "rich":
            render(found, form)


def _values_of(cls: type[Settings]) -> Callable[[Path], None]:
    return lambda path: cls.from_dict({"dataset": "nowhere", **file.read(cls, path)}) and None


def _settings_of(*words: str) -> Callable[[Path], None]:
    return lambda path: command(*words, "--settings", path, "--cache-dir", path.parent / "cache")


READERS: dict[str, Callable[[Path], None]] = {
    "cache": _cache,
    "learned": lambda path: load_learned(path, CPU) and None,
    "restored": _restored,
    "decoded": lambda path: command("decode", path),
    "exported": _exported,
    "model": lambda path: load_model(path) and None,
    "argument": lambda path: read_genotypes(path.read_bytes().decode("utf-8", "replace")) and None,
    "table": lambda path: command("report", path),
    "formats": lambda path: command(
        "report", path, "--format", ("latex", "csv", "json", "markdown")[path.stat().st_size % 4]
    ),
    "page": lambda path: command("report", path, "--html", path.parent / "page.html"),
    "cited": lambda path: command("cite", path),
    "run": lambda path: command("report", "a"),
    "compared": lambda path: command("report", "--compare", "a", "b"),
    "resumed": lambda path: command("resume", path.parent),
    "image": _image,
    "task": _task,
    "prepared": _prepared,
    "pickle": lambda path: unpickle(disk_file(path)) and None,
    "given": lambda path: given_images(["-"], path.read_bytes().decode("utf-8", "replace")) and None,
    "search": _settings_of("search"),
    "train-eval": _settings_of("train-eval", "DARTS_V2"),
    "supervised": _settings_of("supervised"),
    "transfer": _settings_of("transfer", "DARTS_V2"),
    "grow": _settings_of("grow"),
    **{f"values of {name}": _values_of(cls) for name, cls in COMMANDS.items()},
    "found": _found,
    "found run": lambda path: _found(Path("a")),
    "expected": lambda path: read_expectations(path) and None,
    "checked": lambda path: command("report", "--check", path, path.parent / "records.jsonl"),
}


class _Forked:
    """Stands in for `subprocess.Popen`: the same script, in a copy of this process. To import h5py takes longer than to
    read a small file with it, and thousands are read."""

    def __init__(self, words: list[str], **_: object) -> None:
        asked, answered = os.pipe(), os.pipe()
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # there may be threads, which rest
            self.pid = os.fork()
        if self.pid == 0:
            try:
                os.dup2(asked[0], 0)
                os.dup2(answered[1], 1)
                os.closerange(3, 256)
                sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
                hdf5_child.main(words[-2], float(words[-1]))
            finally:
                os._exit(1)
        os.close(asked[0])
        os.close(answered[1])
        self.stdin, self.stdout = os.fdopen(asked[1], "wb"), os.fdopen(answered[0], "rb")
        self._code: int | None = None

    def kill(self) -> None:
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def communicate(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self.wait()


_FORKED = SimpleNamespace(Popen=_Forked, PIPE=subprocess.PIPE, DEVNULL=subprocess.DEVNULL)


def read(example: Example, content: bytes, folder: Path) -> None:
    """Write an input and the files beside it into an empty folder, and read it."""
    for name, data in {**example.beside, example.name: content}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    forked = len(content) % 20 > 0  # the others are read by the process that a user gets
    with mock.patch.object(unchecked_hdf5, "subprocess", _FORKED if forked else subprocess):
        READERS[example.reader](Path(example.name))
