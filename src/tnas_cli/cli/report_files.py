"""`tnas report --figures` and `--html`: what was written goes to stdout, what could not be drawn to stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tnas_cli.cli.console import Screen
from tnas_cli.errors import SettingsError


def write_files(
    screen: Screen, runs: Sequence[str], figures: Path | None, html: Path | None, dark: bool, cache_dir: Path | None
) -> None:
    """Draw figures into a folder, write the page, or both."""
    if dark and figures is None:
        raise SettingsError(
            "--dark is about figures.", hint="add --figures DIR; the HTML page follows the reader's choice"
        )
    from tnas_cli.runs.device import Machine

    machine = Machine(cache_root=cache_dir, offline=True)
    # Both may need it, and it can be read once only.
    stdin = sys.stdin.read() if "-" in runs else None
    result: dict[str, Any] = {"event": "result", "version": 1, "command": "report"}
    left_out: list[str] = []
    if figures is not None:
        from tnas_cli.commands.figures import figures as draw

        drawn = draw(runs, figures, dark=dark, stdin=stdin, machine=machine)
        for figure in drawn["figures"]:
            if screen.as_json:
                screen.record({"event": "figure", "version": 1, **figure})
                continue
            for file in figure["files"]:
                screen.text(file)
            if screen.verbose:
                screen.say(f"{figure['figure']}. {figure['caption']}")
        left_out = drawn["left_out"]
        result |= {"figures": str(figures), "drawn": len(drawn["figures"])}
        screen.say(f"drew {len(drawn['figures'])} figures into {figures}")
    if html is not None:
        from tnas_cli.report.html_report import html_report

        written = html_report(runs, html, stdin=stdin, machine=machine)
        left_out = written["left_out"]
        result |= {"html": str(html), "sources": written["sources"], "measured": written["measured"]}
        if not screen.as_json:
            screen.text(str(html))
        screen.say(f"wrote {html}: {written['measured']} measured results, {written['figures']} figures")
    for reason in left_out:
        screen.say(f"not drawn: {reason}")
    if screen.as_json:
        screen.record(result | {"left_out": left_out})
