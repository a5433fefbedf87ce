"""What a shell completes, in the forms that Typer's completion scripts ask for.

A completion is asked for at every press of a key, so this file needs nothing but the standard library: the words are in
a table that `make docs` writes from the commands' declarations, and runs and models are looked for in their folders.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tnas_cli.runs.contents import is_surely_run

ASKED = "_TNAS_COMPLETE"
_PLAIN = re.compile(r"[\w.+@,=/-]+")
Words = list[tuple[str, str]]


def answer(shell: str, environment: Mapping[str, str] = os.environ) -> int | None:
    """Print what completes the command line that `shell` ("complete_bash") describes in the environment.

    Returns the exit code, or None for another shell, whose form only Typer knows.
    """
    if shell == "complete_bash":
        typed = _split(environment.get("COMP_WORDS", ""))
        at = int(environment.get("COMP_CWORD", "0"))
        before, begun = typed[1:at], typed[at] if at < len(typed) else ""
        _say(word for word, _ in completions(before, begun))
        return 0
    if shell not in ("complete_zsh", "complete_fish"):
        return None
    line = environment.get("_TYPER_COMPLETE_ARGS", "")
    before, begun = _split(line)[1:], ""
    if before and not line.endswith(" "):
        *before, begun = before
    found = completions(before, begun)
    if shell == "complete_zsh":
        lines = "\n".join(_for_zsh(word, told) for word, told in found)
        _say([f"_arguments '*: :(({lines}))'" if found else "_files"])
    elif environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return 0 if found else 1  # 1 lets fish complete files
    else:
        _say(f"{word}\t{told}" if told else word for word, told in found)
    return 0


def completions(before: Sequence[str], begun: str) -> Words:
    """Words with their help that may stand where `begun` is typed, after the words `before`; none where a file may."""
    table = json.loads(Path(__file__).with_name("completions.json").read_text(encoding="utf-8"))
    if not before:
        found = {name: command["help"] for name, command in table["commands"].items()}
        if begun.startswith("-"):
            found = {name: option["help"] for name, option in table["options"].items()}
        return _beginning(found.items(), begun)
    command = table["commands"].get(before[0])
    if command is None:
        return []
    arguments = 0
    rest = iter(before[1:])
    for word in rest:
        option = command["options"].get(word)
        if option is None:
            arguments += not word.startswith("-")
            continue
        for number in range(option["takes"]):
            if next(rest, None) is None:
                return _values(option["values"] if number == 0 else None, begun)
    if begun.startswith("-"):
        return _beginning(((name, option["help"]) for name, option in command["options"].items()), begun)
    taken = command["arguments"]
    # The last argument may be given several times, for example runs or images.
    return _values(taken[min(arguments, len(taken) - 1)], begun) if taken else []


def _values(values: Any, begun: str) -> Words:
    if values == "runs":
        return [(run, "") for run in _runs(begun)]
    if values == "models":
        names = [(card.stem, "") for card in (Path(__file__).parents[1] / "zoo").glob("*.json")]
        return _beginning(sorted(names), begun)
    return _beginning(((word, "") for word in values or ()), begun)


def _runs(begun: str) -> list[str]:
    """The runs in the folder that is begun, or in `runs`. A name that a shell could take for a command is left out."""
    folder = begun.rpartition("/")[0] or "runs"
    try:
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    found = [f"{folder}/{name}" for name in inside if is_surely_run(Path(folder, name))]
    return [run for run in found if run.startswith(begun) and _PLAIN.fullmatch(run)]


def _beginning(words: Iterable[tuple[str, str]], begun: str) -> Words:
    return [(word, told) for word, told in words if word.startswith(begun)]


def _split(line: str) -> list[str]:
    """The words of a line that may end within quotes."""
    for closed in (line, f"{line}'", f'{line}"'):
        try:
            return shlex.split(closed)
        except ValueError:
            continue
    return line.split()


def _for_zsh(word: str, told: str) -> str:
    """A word for `_arguments`, which evaluates what it is given."""
    told = told.replace("\\", "").replace('"', "").replace("'", "’").replace("$", "\\$").replace("`", "")
    name, told = (text.replace(":", "\\:") for text in (word, told))
    return f'"{name}":"{told}"' if told else f'"{name}"'


def _say(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
