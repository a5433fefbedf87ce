"""A few of the failures that `tests/borders.py` knows: a call of the system fails, and the command says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "borders.py"


@pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs Linux and cc")
@pytest.mark.timeout(900)
def test_a_few_failing_calls_end_in_errors_of_ours() -> None:
    ran = subprocess.run([sys.executable, SCRIPT, "--tries", "25"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "25 failures tried, 0 handled wrongly" in ran.stdout
