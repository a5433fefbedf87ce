"""Every command of the page of questions is understood, and every question has one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.test_printed_commands import COMMANDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "faq.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


def test_every_question_has_a_command() -> None:
    questions = PAGE.split("\n## ")[1:]
    assert len(questions) > 10
    assert [text.splitlines()[0] for text in questions if "```console\ntnas " not in text] == []


@pytest.mark.parametrize("line", LINES)
def test_its_commands_are_understood(line: str) -> None:
    program, name, *words = shlex.split(line.partition(" > ")[0])
    assert program == "tnas"
    COMMANDS[name].make_context(name, words)
