"""Every command of the README runs as written, on a small Omniglot and with budgets of seconds, and prints what the
README shows: the same words, and the same numbers where the budget does not decide them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.episodes.small_data import drawing
from tests.test_extension import SOURCE, install

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

#: A shell function that runs `tnas` with small budgets, and with local images instead of a download, from which the
#: model that comes with tnas has not learned.
PRELUDE = """
set -euo pipefail
tnas() {
  case "$1" in
    prepare-data) set -- "$@" --source "$OMNIGLOT" ;;
    search) set -- "$@" --tasks 2 --meta-batch 1 --query 1 --channels 4 --validation-tasks 1 ;;
    adapt) set -- "$@" --threads 1 ;;
    train-eval) set -- "$@" --tasks 2 --query 1 --validation-tasks 1 --test-tasks 2 ;;
  esac
  case "$*" in "adapt omniglot-5w1s-search --dataset"* | "train-eval genotypes"*) set -- "$@" --allow-other-data ;;
  esac
  "$PYTHON" -m tnas_cli "$@"
}
"""

#: Commands that ask the model and the task that come with tnas: their numbers are the README's, on any machine.
FIXED = ("tnas models", "tnas adapt omniglot-5w1s ", "tnas predict")
TOLERANCE = 0.02
LEFT_OUT = "..."
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Block:
    """Commands that the README shows together, and what it shows of their output."""

    commands: tuple[str, ...]
    shown: tuple[str, ...]

    @property
    def fixed(self) -> bool:
        """Whether the output has the README's numbers on any machine."""
        return all(command.startswith(FIXED) for command in self.commands)


def blocks() -> list[Block]:
    """The README's blocks of commands, in order, each with the block of output after it."""
    found: list[Block] = []
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE):
        if language == "console":
            found.append(Block(tuple(line.split("  # ")[0].rstrip() for line in text.splitlines()), ()))
        elif language == "text":
            assert found[-1].shown == (), "one block of output for one block of commands"
            found[-1] = Block(found[-1].commands, tuple(text.splitlines()))
    return found


def words(line: str) -> str:
    """A line without its numbers and their signs, digests, durations and frames."""
    line = re.sub(r"\b[0-9a-f]{8}\b", "#", line)
    line = re.sub(r"[\u2500-\u257f|<+\u2212-]+", " ", NUMBER.sub("#", line))
    return " ".join(re.sub(r"# (?:h|min|s)\b(?: # (?:h|min|s)\b)*", "# s", line).split())


def numbers(line: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(line)]


def missing(block: Block, printed: str) -> Iterator[str]:
    """The lines that the README shows and that were not printed, in this order."""
    lines = printed.splitlines()
    begin = 0
    for shown in block.shown:
        if shown.strip() in ("", LEFT_OUT):
            continue
        for place in range(begin, len(lines)):
            same = words(lines[place]) == words(shown)
            if same and (not block.fixed or numbers(lines[place]) == pytest.approx(numbers(shown), abs=TOLERANCE)):
                begin = place + 1
                break
        else:
            yield shown


def test_there_is_no_command_that_no_test_runs() -> None:
    lines = [line for block in blocks() for line in block.commands]
    assert {line.split()[0] for line in lines} == {"make", "pip", "tnas"}
    others = [line for line in lines if not line.startswith("tnas")]
    assert others == ["pip install .", "make quickstart", "pip install ./examples/extension", "make test"]


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


def test_every_picture_and_page_that_is_linked_is_there() -> None:
    places = re.findall(r"\]\(([^)#]+)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", README)
    files = [one or other for one, other in places if not (one or other).startswith("https://")]
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_another_word_or_another_number_is_noticed() -> None:
    block = Block(("tnas predict",), ("┃ cat.png │ cat │ 0.926 ┃", LEFT_OUT, "20 images: cat 4"))
    assert list(missing(block, "| cat.png | cat | 0.92 |\nmore\n20 images: cat 4\n")) == []
    assert list(missing(block, "cat.png cat 0.82\n20 images: cat 4\n")) == [block.shown[0]]
    assert list(missing(block, "cat.png dog 0.926\n20 images: cat 4\n")) == [block.shown[0]]
    searched = Block(("tnas search",), ("best 0.91 after 5 min 3 s",))
    assert list(missing(searched, "best 0.42 after 7 s")) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tour_runs_as_written(tmp_path: Path) -> None:
    for number in range(30):
        part = "images_background" if number < 20 else "images_evaluation"
        folder = tmp_path / "omniglot" / part / f"Alphabet{number % 3}" / f"character{number:02d}"
        folder.mkdir(parents=True)
        for copy in range(20):
            drawing(number).save(folder / f"{number:04d}_{copy:02d}.png")
    site = tmp_path / "site"
    site.mkdir()
    install(SOURCE, site)  # as `pip install ./examples/extension` does

    tour = [block for block in blocks() if any(line.startswith("tnas") for line in block.commands)]
    script = PRELUDE
    for number, block in enumerate(tour):
        commands = [line for line in block.commands if line.startswith("tnas")]
        script += "\n".join(["{", *commands, f"}} > printed{number:02d} 2>&1", ""])
    environment = {
        **os.environ,
        "TNAS_CACHE": str(tmp_path / "cache"),
        "OMNIGLOT": str(tmp_path / "omniglot"),
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(site), *(os.environ[n] for n in ("PYTHONPATH",) if n in os.environ)]),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
    }
    ran = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    printed = [path.read_text(encoding="utf-8") for path in sorted(tmp_path.glob("printed*"))]
    assert ran.returncode == 0, printed[-1]
    assert len(printed) == len(tour)
    assert {number: list(missing(*pair)) for number, pair in enumerate(zip(tour, printed, strict=True))} == {
        number: [] for number in range(len(tour))
    }
    assert (tmp_path / "runs/search-omniglot-5w1s-t-nas-1/best.pt").is_file()
    assert len((tmp_path / "genotypes.jsonl").read_text(encoding="utf-8").splitlines()) == 21
