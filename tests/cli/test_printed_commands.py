"""Every text in the code that names a command of tnas names one that exists, with options that it has.

What is printed with a user's own words in it is built by `spelling.command`, and pasted in `test_next_lines`.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

import tnas_cli
from tnas_cli.cli.main import app

SOURCE = Path(tnas_cli.__file__).parent
ROOT = Path(__file__).parents[2]

#: What stands for a formatted value of an f-string.
VALUE = "\0"

#: Words that stand for what the user has to put there, each with an example.
PLACES = {
    "RUN": "runs/search-1",
    "RUN_A": "runs/a-1",
    "RUN_B": "runs/b-1",
    "DIR": "folder",
    "NAME": "cats",
    "CHECKPOINT": "best.pt",
    "TASK": "task",
    "MODEL.pt": "model.pt",
}

#: What begins a command that is meant to be pasted as it stands.
ANNOUNCED = re.compile(r"(?:^|\b(?:run|example|with|next|first|each|call|together|way): )(tnas [^,;`()]+)")
MENTIONED = re.compile(r"\btnas ([a-z]+(?:-[a-z]+)*)((?: --?[a-z][\w-]*(?:[= ][\w./-]+)?| [A-Z_a-z.]+)*)")

_group: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = dict(_group.commands)


@dataclass(frozen=True)
class Text:
    """A string of the code, where it is, and whether it is documentation that nobody prints."""

    value: str
    where: str


def _texts() -> Iterator[Text]:
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(tree):
            where = f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else VALUE for part in node.values]
                yield Text("".join(map(str, parts)), where)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield Text(node.value, where)


TEXTS = [text for text in _texts() if "tnas " in text.value]


def _options(command: str) -> set[str]:
    named = {name for parameter in COMMANDS[command].params for name in (*parameter.opts, *parameter.secondary_opts)}
    return named | {"--help", "-h"}


def _problems(text: Text) -> Iterator[str]:
    for found in MENTIONED.finditer(text.value):
        name, rest = found.groups()
        options = [word.partition("=")[0] for word in rest.split() if word.startswith("-")]
        if name in COMMANDS:
            yield from (f"{text.where}: tnas {name} has no {option}" for option in set(options) - _options(name))
            if VALUE in text.value[found.start() : found.end() + 2] and "`" not in text.value:
                yield f"{text.where}: spelling.command quotes what others named: {text.value!r}"
        elif rest.startswith(" -") or text.value[found.start() - 1 : found.start()] == "`":
            yield f"{text.where}: there is no tnas {name}"


def test_every_command_that_is_mentioned_exists() -> None:
    assert len(TEXTS) > 100
    assert [problem for text in TEXTS for problem in _problems(text)] == []


def test_every_command_in_the_documentation_exists() -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if page.name != "cli.md"]
    texts = [Text(page.read_text(encoding="utf-8"), page.name) for page in (*pages, ROOT / "README.md")]
    assert [problem for text in texts for problem in _problems(text)] == []


def _announced() -> dict[str, str]:
    found = {}
    for text in TEXTS:
        for line in ANNOUNCED.findall(text.value):
            found[line.split("  # ")[0].rstrip(" .")] = text.where
    return {line: where for line, where in found.items() if line.split()[1] in COMMANDS and VALUE not in line}


@pytest.mark.parametrize("line", _announced())
def test_every_command_that_is_shown_is_understood(line: str) -> None:
    for part in line.split(" | "):
        program, name, *words = part.split()
        assert program == "tnas"
        command = COMMANDS[name]
        words = [PLACES.get(word.strip("`"), word.strip("`'\"")) for word in words if word != "..."]
        unknown = [word for word in words if re.fullmatch(r"[A-Z_]{2,}", word)]
        assert unknown == [], f"{unknown} is no place that PLACES knows"
        if "--help" not in words:
            command.make_context(name, words)


def _cards() -> list[str]:
    cards = [json.loads(card.read_text(encoding="utf-8")) for card in sorted((SOURCE / "zoo").glob("*.json"))]
    return sorted({command.partition(" > ")[0] for card in cards for command in card["commands"]})


@pytest.mark.parametrize("line", _cards())
def test_every_command_of_a_card_is_understood(line: str) -> None:
    _, name, *words = shlex.split(line)
    COMMANDS[name].make_context(name, words)


def test_a_command_that_does_not_exist_would_be_found() -> None:
    wrong = ("run: tnas serch --way 5", "use `tnas look`", "see `tnas adapt --stepps 3`")
    assert [len(list(_problems(Text(text, "here")))) for text in wrong] == [1, 1, 1]
    assert len(list(_problems(Text(f"run: tnas resume {VALUE}", "here")))) == 1
