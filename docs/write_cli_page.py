"""Write docs/cli.md from the commands' own help; `make docs` runs this, and a test compares the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands

What `tnas COMMAND --help` says. This page is written by `make docs`; change the help texts in `src/tnas_cli/cli/`.
"""


def help_text(*command: str) -> str:
    """The help of `tnas` or of one of its commands, without colours or boxes and the same on any terminal."""
    environment = {**os.environ, "COLUMNS": "100", "TYPER_USE_RICH": "0", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tnas_cli", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=60,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def commands() -> list[str]:
    """The subcommands, in the order of `tnas --help`."""
    listed = help_text().partition("Commands:\n")[2]
    return re.findall(r"^  ([a-z][a-z-]*)\b", listed, flags=re.MULTILINE)


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD, f"```text\n{help_text()}\n```\n"]
    parts += [f"## tnas {name}\n\n```text\n{help_text(name)}\n```\n" for name in commands()]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
