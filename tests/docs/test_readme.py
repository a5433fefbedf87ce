"""Every command of the README runs as written, on a small Omniglot and with budgets of seconds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.episodes.small_data import drawing

ROOT = Path(__file__).resolve().parents[2]

#: A shell function that runs `tnas` with small budgets, and with local images instead of a download.
PRELUDE = """
set -euo pipefail
tnas() {
  case "$1" in
    prepare-data) set -- "$@" --source "$OMNIGLOT" ;;
    search) set -- "$@" --tasks 2 --meta-batch 1 --query 1 --channels 4 --validation-tasks 1 ;;
    adapt) set -- "$@" --threads 1 ;;
    train-eval) set -- "$@" --tasks 2 --query 1 --validation-tasks 1 --test-tasks 2 ;;
  esac
  "$PYTHON" -m tnas_cli "$@"
}
"""


def console_blocks() -> list[str]:
    """The README's blocks of commands, in order."""
    return re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def test_there_is_no_command_that_no_test_runs() -> None:
    tools = {line.split()[0] for block in console_blocks() for line in block.splitlines()}
    assert tools == {"make", "pip", "tnas"}
    others = [line for block in console_blocks() for line in block.splitlines() if not line.startswith("tnas")]
    assert others == ["make quickstart", "make test", "pip install ."]


@pytest.mark.parametrize(("target", "runs"), [("quickstart", "tnas quickstart"), ("test", "-m pytest")])
def test_make_targets_install_and_run(target: str, runs: str) -> None:
    listed = subprocess.run(
        ["make", "--dry-run", "--always-make", "--file", ROOT / "Makefile", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "pip install" in listed
    assert "-c constraints.txt" in listed
    assert listed.index("pip install") < listed.index(runs)


@pytest.mark.slow
def test_the_tour_runs_as_written(tmp_path: Path) -> None:
    for number in range(30):
        part = "images_background" if number < 20 else "images_evaluation"
        folder = tmp_path / "omniglot" / part / f"Alphabet{number % 3}" / f"character{number:02d}"
        folder.mkdir(parents=True)
        for copy in range(20):
            drawing(number).save(folder / f"{number:04d}_{copy:02d}.png")
    (tmp_path / "photos").mkdir()
    drawing(3).save(tmp_path / "photos" / "one.png")

    commands = [line for block in console_blocks() for line in block.splitlines() if line.startswith("tnas")]
    assert len(commands) == 9
    environment = {
        **os.environ,
        "TNAS_CACHE": str(tmp_path / "cache"),
        "OMNIGLOT": str(tmp_path / "omniglot"),
        "PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(
        ["bash", "-c", PRELUDE + "\n".join(commands)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "runs/search-omniglot-5w1s-t-nas-1/best.pt").is_file()
    assert len((tmp_path / "genotypes.jsonl").read_text(encoding="utf-8").splitlines()) == 21
    assert "99.16 ± 0.34" in ran.stdout
    assert "predictions for my_task" in ran.stdout
    assert "photos/one.png" in ran.stdout
