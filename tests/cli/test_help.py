"""Help: two screens for a command, grouped, the common options first; options are those of the settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.running import tnas
from tnas_cli.cli.colours import WIDEST_HELP
from tnas_cli.cli.main import app
from tnas_cli.settings.fields import settings_of
from tnas_cli.settings.grow import GrowSettings
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.settings.transfer import TransferSettings

COMMANDS = [str(command.name) for command in app.registered_commands]
OF = {
    "search": SearchSettings,
    "train-eval": TrainSettings,
    "supervised": SupervisedSettings,
    "transfer": TransferSettings,
    "grow": GrowSettings,
}
TWO_SCREENS = 100


def help_of(command: str) -> str:
    return tnas(command, "--help", environment={"COLUMNS": "80"}).stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_it_fits_on_two_screens(command: str) -> None:
    lines = help_of(command).splitlines()
    assert len(lines) <= TWO_SCREENS
    assert max(map(len, lines)) <= 80


def test_help_is_read_on_white_too_and_on_wide_terminals() -> None:
    """No yellow, green, cyan or white; lines that an eye can follow."""
    shown = tnas("adapt", "--help", environment={"COLUMNS": "240", "FORCE_COLOR": "1", "TERM": "xterm-256color"}).stdout
    used = {code for codes in re.findall(r"\x1b\[([\d;]*)m", shown) for code in codes.split(";")}
    assert used <= {"", "0", "1", "2", "35"} and "1" in used
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines())) == WIDEST_HELP


@pytest.mark.parametrize("command", OF)
def test_every_setting_is_an_option_with_its_help(command: str) -> None:
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", help_of(command)).split())
    wide = " ".join(re.sub(r"[│╭╮╰╯─]", " ", tnas(command, "--help").stdout).split())
    for about in settings_of(OF[command]).values():
        for option in about.options.split("/"):
            assert re.search(rf"{option}(?![\w-])", shown), option
        assert about.described in wide


@pytest.mark.parametrize("command", OF)
def test_the_common_options_come_first(command: str) -> None:
    panels = re.findall(r"╭─ (.+?) ─", help_of(command))
    options = panels.index("Options")
    assert panels[:options] in ([], ["Arguments"])
    assert panels[-2:] == ["Output", "Machine"]
    lines = help_of(command).splitlines()
    assert "--dataset" in lines[next(n for n, line in enumerate(lines) if line.startswith("╭─ Options")) + 1]


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["adapt", "--help"]])
def test_help_needs_no_pytorch(words: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['tnas', *{words}]; from tnas_cli.cli.main import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'torchvision', 'numba', 'h5py', 'matplotlib', 'click'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True).returncode == 0
