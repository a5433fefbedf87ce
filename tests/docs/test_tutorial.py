"""Every command of docs/tutorial.md runs as written, with budgets of seconds, and prints what the page shows.

A line of the page may differ from the line that is printed in its numbers, times and digests, and in the classifier
that validation tasks chose.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.running import tnas

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"

#: What is added to a command, so that it takes a second.
LESS = {
    "search": "--tasks 8 --validate-every 8 --validation-tasks 2 --query 2 --channels 8 --threads 1",
    "adapt": "--tasks 4 --threads 1",
    "train-eval": "--tasks 8 --validate-every 8 --validation-tasks 2 --test-tasks 4 --query 2 --threads 1",
}

#: What may differ from run to run.
NUMBER = re.compile(r"[-+]?\b\d[\d,.]*(?:e-\d+)?\b%?")
TIME = re.compile(r"(?:\b\d+ h )?(?:\b\d+ min )?\b\d[\d.]* m?s\b")
CLASSIFIER = re.compile(r", by (?:class means|what was best for each network)")
DIGEST = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8}\b")


class Step(NamedTuple):
    """A command of the page, the file that its output goes to, if any, and the lines that the page shows."""

    words: list[str]
    target: str | None
    shown: list[str]


def steps() -> list[Step]:
    found: list[Step] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, target = line.removeprefix("$ ").partition(" > ")
                found.append(Step(shlex.split(command), target or None, []))
            elif line.strip() not in ("", "..."):
                found[-1].shown.append(line)
    return found


def pattern(line: str) -> str:
    """The line without what may differ, and without the width of columns."""
    line = CLASSIFIER.sub("", line)
    line = re.sub(r"[━─┃│┏┓┡┩╇┳└┘┴]+", " ", line)
    line = NUMBER.sub("N", TIME.sub("T", DIGEST.sub("D", line)))
    return " ".join(line.split())


def test_every_command_is_one_that_the_test_runs() -> None:
    assert {step.words[0] for step in steps()} == {"tnas", "pip"}
    assert [" ".join(step.words) for step in steps() if step.words[0] == "pip"] == ["pip install ."]


@pytest.mark.slow
def test_every_command_prints_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TNAS_CACHE", str(tmp_path / "cache"))
    for words, target, shown in steps():
        if words[0] != "tnas":
            continue
        less = LESS.get(words[1], "").split()
        ran = tnas(*words[1:], *less, environment={"COLUMNS": "100"})
        assert ran.code == 0, (words, ran.stderr)
        if target is not None:
            Path(target).write_text(ran.stdout, encoding="utf-8")
        printed = {pattern(line) for line in f"{ran.stdout}\n{ran.stderr}".splitlines()}
        assert [line for line in shown if pattern(line) not in printed] == [], (words, printed)
