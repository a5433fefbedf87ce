"""Each example runs as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

#: What each example must print.
PRINTS = {
    "adapt_from_python.py": "Genotype(normal=",
    "draw_figures.py": "task.png",
    "draw_readme.py": "readme-cells-dark.png",
    "fine_tune.py": "after fine-tuning",
    "pipeline.sh": "T-NAS: glyphs",
}


def test_every_example_is_run() -> None:
    """The extension has a test of its own, `test_extension.py`."""
    assert {path.name for path in EXAMPLES.iterdir()} - {"README.md", "extension"} == set(PRINTS)


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_example(name: str, tmp_path: Path) -> None:
    tools = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "TNAS_CACHE": str(tmp_path / "cache"),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    program = [sys.executable] if name.endswith(".py") else ["bash"]
    ran = subprocess.run([*program, EXAMPLES / name, tmp_path], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert PRINTS[name] in ran.stdout
