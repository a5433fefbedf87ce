"""What a user's environment holds does not change what a command does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.running import command

ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "plots": {"MPLBACKEND": "module://nowhere", "MPLCONFIGDIR": "/dev/null/x", "MATPLOTLIBRC": "/dev/null/x"},
    "language": {"LC_ALL": "C", "LANG": None, "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"},
    "terminal": {"TERM": "dumb", "COLUMNS": "nonsense", "NO_COLOR": "", "FORCE_COLOR": "1"},
    "folders": {"HOME": None, "XDG_CACHE_HOME": None, "TMPDIR": "/dev/null/x"},
    "python": {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "1", "PYTHONSTARTUP": "/dev/null/x", "PYTHONHASHSEED": "7"},
    "numba": {"NUMBA_CACHE_DIR": "/dev/null/x", "NUMBA_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_picture_and_a_genotype_are_as_ever(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, **ENVIRONMENTS[name]}
    kept = {key: value for key, value in environment.items() if value is not None}
    arguments = command("decode", "DARTS_V2", "--picture", "cells.svg", "--json")
    ran = subprocess.run(arguments, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stderr and len(ran.stdout.splitlines()) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["cells.svg"]
    assert (tmp_path / "cells.svg").read_text(encoding="utf-8").startswith("<?xml")
