"""What became of a user's files, on stderr: one line per reason, also with --quiet."""

from __future__ import annotations

from tnas_cli.cli.colours import WARNING
from tnas_cli.cli.console import Screen
from tnas_cli.records.account import InputAccount

#: What a person should look at; conversions that lose nothing of the kind are plain.
STYLES = {"left out": WARNING, "duplicate": WARNING, "warning": WARNING}


def say_account(screen: Screen, account: InputAccount | None, where: str = "") -> None:
    """Say what was converted, left out, twice or doubtful; nothing where every file was used as it is."""
    for line in account.lines() if account else ():
        screen.say(where + line, style=STYLES.get(line.partition(":")[0]), always=True)
