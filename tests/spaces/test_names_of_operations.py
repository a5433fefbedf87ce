"""Only their table names operations: a new one is a new row, and no other file of tnas knows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tnas_cli
from tnas_cli.spaces.operations_table import TABLE

SOURCE = Path(tnas_cli.__file__).parent
HOME = SOURCE / "spaces" / "operations_table.py"

#: "none" is also an ordinary word.
NAMES = [row.name for row in TABLE if not row.is_none]
NAMED = re.compile(r"(?<![A-Za-z0-9])(" + "|".join(map(re.escape, NAMES)) + r")(?![A-Za-z0-9_])")


def files() -> list[Path]:
    return [path for path in SOURCE.rglob("*") if path.suffix in (".py", ".toml", ".j2", ".html", ".js", ".css")]


def test_no_other_file_names_one() -> None:
    assert len(files()) > 100
    found = {
        str(path.relative_to(SOURCE)): sorted(set(NAMED.findall(path.read_text(encoding="utf-8"))))
        for path in files()
        if path != HOME
    }
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_would_be_found(name: str) -> None:
    for text in (f'operation == "{name}"', f"normal.{name}.0", f"x_{name}"):
        assert NAMED.search(text)
    assert not NAMED.search(f"{name}ions")


def test_names_are_parts_of_no_switch() -> None:
    """No file looks at how an operation's name begins: an operation's form says what it is."""
    asks = re.compile(r"""startswith\(\(?["'](sep|dil|avg|max|skip|conv)_?["']|split\("_"\)\[0\]""")
    assert [path for path in files() if asks.search(path.read_text(encoding="utf-8"))] == []


def test_every_name_and_title_stands_once() -> None:
    for words in ([row.name for row in TABLE], [row.title for row in TABLE]):
        assert len(set(words)) == len(words)
