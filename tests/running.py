"""Running `tnas` in this process or in a separate one, and small drawn images to run it on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from tnas_cli.cli.main import main

Argument = str | Path | int


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one per line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The last record."""
        return self.records[-1]


def tnas(*arguments: Argument, stdin: str = "", environment: Mapping[str, str] | None = None) -> Ran:
    """`tnas ARGUMENTS` in this process, with one CPU thread, and text buffers as streams."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["tnas", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch.dict(os.environ, {"COLUMNS": "200", **(environment or {})}),
        mock.patch("typer.rich_utils.MAX_WIDTH", None),  # help in a wide terminal sets it for the process
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def succeeding(*arguments: Argument, stdin: str = "") -> Ran:
    """`tnas ARGUMENTS`, which must succeed."""
    ran = tnas(*arguments, stdin=stdin)
    assert ran.code == 0, ran.stderr
    return ran


def unfinished(run: str | Path) -> Path:
    """The run as if it had been stopped before its last step: trained, but nothing measured yet."""
    for result in Path(run).rglob("result.json"):
        result.unlink()
    return Path(run)


def command(*arguments: Argument) -> list[str]:
    """`tnas ARGUMENTS` for `subprocess`."""
    return [sys.executable, "-m", "tnas_cli", *map(str, arguments)]


def start(*arguments: Argument, cwd: Path, **options: Any) -> subprocess.Popen[str]:
    """`tnas ARGUMENTS` in a separate process, with one CPU thread; its streams are pipes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | options
    return subprocess.Popen(command(*arguments), cwd=cwd, env=environment, text=True, **pipes)


def until(there: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something, which must come."""
    begun = time.monotonic()
    while not there():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)


def drawing(number: int, variant: int, size: int = 20, colour: bool = False) -> Image.Image:
    """An image of class `number`: a coarse random pattern with its own noise, bright on dark."""
    pattern = np.random.default_rng(number).random((5, 5)) > 0.6
    noise = np.random.default_rng(1000 * number + variant).normal(0, 80, (size, size))
    cells = np.arange(size) * 5 // size
    pixels = np.clip(200.0 * pattern[cells][:, cells] + noise, 0, 255).astype(np.uint8)
    if not colour:
        return Image.fromarray(pixels)
    return Image.fromarray(np.stack([pixels, pixels // 2, pixels // 3], axis=-1))


def class_tree(root: Path, numbers: range, images: int = 8, **options: Any) -> Path:
    """`root/c<number>/<variant>.png` for every class number."""
    for number in numbers:
        folder = root / f"c{number:02d}"
        folder.mkdir(parents=True)
        for variant in range(images):
            drawing(number, variant, **options).save(folder / f"{variant}.png")
    return root


def task_folder(
    root: Path, numbers: range, shots: int | list[int] = 1, query: int = 2, labelled: bool = True, **options: Any
) -> Path:
    """A task folder: support/, and query/ with or without class folders."""
    counts = shots if isinstance(shots, list) else [shots] * len(numbers)
    for number, count in zip(numbers, counts, strict=True):
        (root / "support" / f"c{number:02d}").mkdir(parents=True)
        for variant in range(count):
            drawing(number, variant, **options).save(root / "support" / f"c{number:02d}" / f"{variant}.png")
        place = root / "query" / f"c{number:02d}" if labelled else root / "query"
        if query:
            place.mkdir(parents=True, exist_ok=True)
        for variant in range(100, 100 + query):
            drawing(number, variant, **options).save(place / f"{number}-{variant}.png")
    return root
