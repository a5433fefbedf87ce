"""Writes docs/cli.md, and what shells complete, from the commands' own declarations: `make docs`, or
`python docs/write_cli_page.py`."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path
from typing import Any

from typer.main import get_command

from tnas_cli.cli.main import app

PAGE = Path(__file__).with_name("cli.md")

HEAD = """# Commands

Written by `make docs` from the commands' own help; a test compares the two. [records.md](records.md) describes what the
commands print, and their exit codes. Where a default is empty, the preset, the checkpoint or the records decide.

```
tnas COMMAND [OPTIONS]
```
"""

SHOWN_AS = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH", list[str]: "TEXT, repeated"}


def page() -> str:
    """The whole page; depends on nothing but the commands' declarations."""
    group: Any = get_command(app)
    commands: dict[str, Any] = group.commands
    contents = [f"- [`tnas {name}`](#tnas-{name}): {_first_sentence(commands[name])}" for name in commands]
    return "\n".join([HEAD, *contents, "", *(_section(name, command) for name, command in commands.items())])


def _first_sentence(command: Any) -> str:
    return inspect.cleandoc(command.help).splitlines()[0]


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([f"tnas {name}", *map(_usage_of, arguments), "[OPTIONS]"])
    lines = [f"## tnas {name}", "", "```", usage, "```", "", inspect.cleandoc(command.help), ""]
    if arguments:
        lines += ["| argument | |", "| --- | --- |"]
        lines += [f"| `{_argument_name(p)}` | {_cell(p.help)} |" for p in arguments] + [""]
    panels: dict[str | None, list[Any]] = {}
    for option in options:
        panels.setdefault(option.rich_help_panel, []).append(option)
    for panel, its in panels.items():
        lines += [f"| {(panel or 'option').lower()} | default | |", "| --- | --- | --- |"]
        lines += [f"| {_option_names(p)} | {_default(p)} | {_cell(p.help)} |" for p in its] + [""]
    return "\n".join(lines)


def _argument_name(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _usage_of(argument: Any) -> str:
    name = _argument_name(argument)
    if argument.metavar:
        return name
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _option_names(option: Any) -> str:
    """All spellings; after the last one what kind of value it takes."""
    names = [f"`{name}`" for name in (*option.opts, *option.secondary_opts)]
    return ", ".join(names) if option.is_flag else f"{', '.join(names)} {_kind(option)}"


def _kind(option: Any) -> str:
    kind = option.type_descriptor.annotation
    shown = option.metavar or SHOWN_AS[kind]
    return shown if getattr(option, "min", None) is None else f"{shown} ≥ {option.min}"


def _default(option: Any) -> str:
    if option.default is None or option.default is False:
        return ""
    return f"`{option.default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    runpy.run_path(str(PAGE.with_name("write_completions.py")), run_name="__main__")
