"""`tnas report --figures` and `--html`: what was written goes to stdout, what could not be drawn to stderr."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tnas_cli.cli.console import Screen
from tnas_cli.cli.streams import standard_input
from tnas_cli.errors import SettingsError


def write_files(
    screen: Screen, runs: Sequence[str], figures: Path | None, html: Path | None, dark: bool, cache_dir: Path | None
) -> None:
    """Draw figures into a folder, write the page, or both."""
    if dark and figures is None:
        raise SettingsError(
            "--dark applies to --figures only.", hint="add --figures DIR; the HTML page follows the reader's own choice"
        )
    from tnas_cli.records.reported import ReportResult
    from tnas_cli.runs.device import Machine

    machine = Machine(cache_root=cache_dir, offline=True)
    # The figures and the page may both need it, and it can be read only once.
    stdin = standard_input() if "-" in runs else None
    result = ReportResult()
    left_out: list[str] = []
    if figures is not None:
        from tnas_cli.commands.figures import figures as draw

        drawn, left_out = draw(runs, figures, dark=dark, stdin=stdin, machine=machine)
        for figure in drawn:
            if screen.as_json:
                screen.record(figure.to_json())
                continue
            for file in figure.files:
                screen.path(file)
            if screen.verbose:
                screen.say(f"{figure.figure}. {figure.caption}")
        result = replace(result, figures=str(figures), drawn=len(drawn))
        screen.say(f"drew {len(drawn)} figures into {figures}")
    if html is not None:
        from tnas_cli.report.html_report import html_report

        written = html_report(runs, html, stdin=stdin, machine=machine)
        left_out = list(written.left_out)
        result = replace(result, html=written.html, sources=written.sources, measured=written.measured)
        if not screen.as_json:
            screen.path(str(html))
        screen.say(f"wrote {html}: {written.measured} measured results, {written.figures} figures")
    for reason in left_out:
        screen.say(f"not drawn: {reason}")
    if screen.as_json:
        screen.record(replace(result, left_out=tuple(left_out)).to_json())
