"""Each example runs as its README says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOK = EXAMPLES / "from_python.ipynb"

#: What each example must print.
PRINTS = {
    "adapt_from_python.py": "Genotype(normal=",
    "draw_figures.py": "task.png",
    "draw_readme.py": "readme-cells-dark.png",
    "fine_tune.py": "after fine-tuning",
    "pipeline.sh": "T-NAS: glyphs",
}


def test_every_example_is_run() -> None:
    """The extension has a test of its own, `test_extension.py`, and so has the notebook, below."""
    assert {path.name for path in EXAMPLES.iterdir()} - {"README.md", "extension", NOTEBOOK.name} == set(PRINTS)


def in_words(text: str) -> str:
    """Without numbers and genotypes: other processors round differently, and a search may then decide differently."""
    return re.sub(r"[\d.]+|Genotype\(.*\)", "#", text)


@pytest.mark.slow
def test_the_notebook_prints_what_it_shows(tmp_path: Path) -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 20_000
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    end = "~ end of a cell"
    program = "\n".join(f"{''.join(cell['source'])}\nprint({end!r})" for cell in cells)
    environment = os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    printed = ran.stdout.split(f"{end}\n")[:-1]
    shown = ["".join(line for output in cell["outputs"] for line in output["text"]) for cell in cells]
    assert list(map(in_words, printed)) == list(map(in_words, shown))


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
