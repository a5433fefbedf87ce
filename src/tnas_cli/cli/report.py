"""`tnas report`: the paper's table beside our numbers, two results task by task, a check, figures, or an HTML page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen
from tnas_cli.cli.effects import refuse_in_report
from tnas_cli.cli.report_files import write_files
from tnas_cli.cli.report_table import TableOf, plain
from tnas_cli.errors import ExpectationError, SettingsError, did_you_mean

#: The format that a file's ending asks for.
ENDINGS = {".txt": "rich", ".md": "markdown", ".csv": "csv", ".json": "json", ".tex": "latex"}


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|-", help="Run directories, files of JSON lines, or - for stdin; default: all of runs/."
        ),
    ] = None,
    table: Annotated[
        int | None, typer.Option("--table", metavar="N", help="Number of the paper's table, 2 to 8; default: 2.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="rich, markdown, csv, json or latex; default: by the ending of --output, or rich."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this .md, .csv, .json, .tex or .txt file.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two results that were measured on the same tasks, task by task.")
    ] = False,
    own_tasks: Annotated[
        bool,
        typer.Option("--own-tasks", help="With --compare: pair the genotypes of both, each on its own test task."),
    ] = False,
    ranks: Annotated[
        bool, typer.Option("--ranks", help="How far two results put the same genotypes into the same order.")
    ] = False,
    advantage: Annotated[
        bool, typer.Option("--advantage", help="How much better genotypes are on their own tasks.")
    ] = False,
    check: Annotated[
        Path | None,
        typer.Option("--check", help="TOML file of expectations; exit code 5 if one is not met."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Draw all figures of these runs into this folder, as SVG and PNG.")
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Draw figures on a dark background.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write everything about these runs as one HTML file.")
    ] = None,
    cache_dir: options.CacheDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show a table of the paper with its numbers and ours in separate columns, each of ours with its budget."""
    from tnas_cli.commands.report import report as find_table
    from tnas_cli.records.reported import ReportResult
    from tnas_cli.report.formats import FORMATS, render, to_record
    from tnas_cli.report.paper_tables import DEFAULT_TABLE
    from tnas_cli.runs.endings import ending_of
    from tnas_cli.runs.files import write_text

    screen = Screen(as_json=as_json, quiet=quiet, verbose=verbose)
    if own_tasks and not compare:
        raise SettingsError("--own-tasks goes with --compare.", hint="tnas report --compare RUN_A RUN_B --own-tasks")
    files = figures or html or dark
    if compare or ranks or advantage or check is not None or files:
        given: dict[str, object] = {"--compare": compare, "--ranks": ranks, "--advantage": advantage, "--check": check}
        given |= {"--format": form, "--output": output}
        given["--figures" if figures else "--html" if html else "--dark"] = files
        _refuse_together([option for option, value in given.items() if value])
    refuse_in_report({"table": table, "cache_dir": cache_dir}, compare, ranks, advantage, check, figures, html)
    if ranks:
        _ranks(screen, runs or [])
        return
    if advantage:
        _advantage(screen, runs or [])
        return
    if files:
        write_files(screen, runs or [], figures, html, dark, cache_dir)
        return
    if compare or check is not None:
        _compare(screen, runs or [], own_tasks) if check is None else _check(screen, check, runs or [])
        return
    if form is not None and form not in FORMATS:
        raise SettingsError(f"unknown format {form!r}.", hint=did_you_mean(form, FORMATS))
    output = None if output == Path("-") else output
    chosen = form or ("rich" if output is None else ENDINGS[ending_of(output, ENDINGS, "--output")])
    if output is not None and output.suffix:
        ending_of(output, [ending for ending, asked in ENDINGS.items() if asked == chosen], "--output")
    if as_json and form not in (None, "json"):
        raise SettingsError(f"--json and --format {form} exclude each other.", hint="leave one of them out")
    found = find_table(runs or [], table=DEFAULT_TABLE if table is None else table, stdin=sys.stdin)
    if output is not None:
        write_text(output, plain(found) if chosen == "rich" else render(found, chosen))
        screen.say(f"wrote {output}")
    if as_json:
        screen.record(to_record(found).to_json())
        measured, path = len(found.measured), str(output) if output else None
        screen.record(ReportResult(table=found.number, measured=measured, output=path).to_json())
    elif output is None and chosen == "rich":
        screen.show(TableOf(found))
    elif output is None:
        screen.text(render(found, chosen))


def _refuse_together(options_given: list[str]) -> None:
    if len(options_given) > 1:
        raise SettingsError(f"{' and '.join(options_given)} exclude each other.", hint="call tnas report once for each")


def _compare(screen: Screen, runs: list[str], own_tasks: bool) -> None:
    """The first run minus the second, over their common tasks."""
    from tnas_cli.commands.report import compare
    from tnas_cli.records.reported import ReportResult
    from tnas_cli.report.compare import summary

    comparison = compare(runs, own_tasks=own_tasks)
    if screen.as_json:
        screen.record(comparison.record().to_json())
        difference, interval = 100 * comparison.difference, 100 * comparison.interval
        screen.record(ReportResult(tasks=comparison.tasks, difference=difference, interval=interval).to_json())
    else:
        screen.text("\n".join(summary(comparison)))


def _ranks(screen: Screen, runs: list[str]) -> None:
    """The order of genotypes in two results."""
    from tnas_cli.commands.report import ranks
    from tnas_cli.report.ranks import lines, record

    found = ranks(runs)
    if screen.as_json:
        screen.record(record(found).to_json())
    else:
        screen.text("\n".join(lines(found)))


def _advantage(screen: Screen, runs: list[str]) -> None:
    """Genotypes at home and away."""
    from tnas_cli.commands.report import advantage
    from tnas_cli.report.advantage import lines, record

    found = advantage(runs)
    if screen.as_json:
        screen.record(record(found).to_json())
    else:
        screen.text("\n".join(lines(found)))


def _check(screen: Screen, file: Path, runs: list[str]) -> None:
    """A line per expectation; raises ExpectationError after the last one unless all are met."""
    from tnas_cli.commands.report import check
    from tnas_cli.records.reported import ReportResult

    with screen.progress() as listener:
        outcomes = check(file, runs, stdin=sys.stdin, listener=listener)
    for outcome in outcomes:
        if screen.as_json:
            screen.record(outcome.record().to_json())
        else:
            screen.text(outcome.line())
    missed = [outcome for outcome in outcomes if outcome.status != "met"]
    if screen.as_json:
        screen.record(ReportResult(expectations=len(outcomes), met=len(outcomes) - len(missed)).to_json())
    if missed:
        raise ExpectationError(
            f"{len(missed)} of {len(outcomes)} expectations in {file} are not met.",
            hint="measure what is missing; for the others, compare the budgets: tnas report --table 2",
        )
