"""The pictures of docs/concepts.md are there, and the script that draws them works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.findall(r"!\[.+\]\(pictures/(\S+)\)", (DOCS / "concepts.md").read_text(encoding="utf-8"))


def test_pictures_are_small() -> None:
    assert SHOWN == ["concepts-theta.svg", "concepts-cells.svg"]
    assert all((DOCS / "pictures" / name).stat().st_size < 150_000 for name in SHOWN)


@pytest.mark.slow
def test_the_script_draws_them(tmp_path: Path) -> None:
    drawn = subprocess.run(
        [sys.executable, DOCS / "draw_concepts.py", tmp_path],
        env={**os.environ, "TNAS_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [Path(line).name for line in drawn.stdout.splitlines()] == SHOWN
    assert all((tmp_path / name).read_text(encoding="utf-8").startswith("<?xml") for name in SHOWN)
