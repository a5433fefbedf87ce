"""docs/cli.md agrees with the help of the commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import succeeding
from tnas_cli.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"
COMMANDS = [str(command.name) for command in app.registered_commands]


def section(name: str) -> str:
    """The part of the page about one command."""
    (found,) = re.findall(
        rf"^## tnas {name}\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


def test_the_page_and_the_completions_are_freshly_written(tmp_path: Path) -> None:
    script = tmp_path / "docs" / "write_cli_page.py"
    table = tmp_path / "src" / "tnas_cli" / "cli" / "completions.json"
    for folder in (script.parent, table.parent):
        folder.mkdir(parents=True)
    for file in (script, script.with_name("write_completions.py")):
        file.write_bytes((ROOT / "docs" / file.name).read_bytes())
    # A narrow terminal with colours must not change a byte.
    environment = os.environ | {"COLUMNS": "40", "FORCE_COLOR": "1"}
    subprocess.run([sys.executable, script], check=True, env=environment, cwd=tmp_path)
    fresh = script.with_name("cli.md").read_text(encoding="utf-8")
    assert fresh == PAGE.read_text(encoding="utf-8"), "docs/cli.md is out of date: run make docs"
    kept = ROOT / table.relative_to(tmp_path)
    assert table.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), f"{kept}: run make docs"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_names_every_option_of_the_help(name: str) -> None:
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", succeeding(name, "--help").stdout)) - {"--help"}
    listed = set(re.findall(r"`(--[a-z-]+)`", section(name)))
    assert shown <= listed
    assert {"--quiet", "--json"} <= listed


def test_all_commands_are_on_the_page() -> None:
    assert re.findall(r"^## tnas (\S+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == COMMANDS
