"""Pasting a printed command as a user does: a shell reads its words, and `tnas` runs with them in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from tests.running import Argument, Ran, tnas

#: A folder whose name a shell, Rich, a spreadsheet, LaTeX and HTML would all take for something else.
HOSTILE = "-my $HOME 'q\" [bold]x :cat: <b>ü"


def words_of(line: str) -> list[list[str]]:
    """The words of each command of a pipeline, as bash reads them; what follows `#` is a comment."""
    script = f"tnas() {{ printf '%s\\0' \"$@\" '|' >> \"$WORDS\"; cat > /dev/null; }}; {line}"
    read, write = os.pipe()
    with os.fdopen(read, "rb") as words:
        environment = {**os.environ, "WORDS": f"/dev/fd/{write}"}
        stdin = subprocess.DEVNULL
        subprocess.run(["bash", "-c", script], check=True, env=environment, pass_fds=[write], stdin=stdin)
        os.close(write)
        found = words.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    commands: list[list[str]] = [[]]
    for word in found:
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def pasted(line: str, *shorter: Argument) -> Ran:
    """Run a printed line, whose commands must all succeed; `shorter` is added to its last command to make it quick."""
    *first, last = sorted(words_of(line), key=_place_in(line))
    stdin = ""
    for words in first:
        stdin = _succeeding(words, stdin).stdout
    return _succeeding([*last, *map(str, shorter)], stdin)


def _place_in(line: str) -> object:
    # The commands of a pipeline run at the same time, so they may report in any order.
    segments = [segment.split()[1] for segment in line.split("tnas ", 1)[1].join(["tnas ", ""]).split("| ")]
    return lambda words: segments.index(words[0])


def _succeeding(words: Sequence[Argument], stdin: str) -> Ran:
    ran = tnas(*words, stdin=stdin)
    assert ran.code == 0, (words, ran.stderr)
    return ran


def next_line(ran: Ran) -> str:
    """The command that a run says may follow."""
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("next: ")]
    return line.removeprefix("next: ")
