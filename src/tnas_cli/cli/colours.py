"""Colours that are read on a dark and on a light ground: red and magenta are, and bold without a colour always is."""

from __future__ import annotations

import shutil

WARNING = "magenta"
OURS = "bold magenta"

#: Lines of help that are longer are hard to follow.
WIDEST_HELP = 120

#: Typer's own colours, cyan, yellow and green, cannot be read on white.
_OF_HELP = {
    "STYLE_USAGE": "bold",
    "STYLE_OPTION": "bold",
    "STYLE_SWITCH": "bold",
    "STYLE_NEGATIVE_OPTION": "bold",
    "STYLE_NEGATIVE_SWITCH": "bold",
    "STYLE_COMMANDS_TABLE_FIRST_COLUMN": "bold",
    "STYLE_TYPES": "magenta",
    "STYLE_OPTION_ENVVAR": "magenta",
}


def readable_help() -> None:
    """Let Typer show help in colours and lines that can be read."""
    from typer import rich_utils

    for name, style in _OF_HELP.items():
        setattr(rich_utils, name, style)
    if shutil.get_terminal_size().columns > WIDEST_HELP:
        rich_utils.MAX_WIDTH = WIDEST_HELP
