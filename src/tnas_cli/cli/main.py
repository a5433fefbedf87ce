"""The `tnas` command: its subcommands, and how it reports errors."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import typer

from tnas_cli.cli.colours import readable_help
from tnas_cli.cli.over_ranks import over_ranks
from tnas_cli.cli.streams import safe_streams
from tnas_cli.errors import Interrupted, SettingsError, TnasError
from tnas_cli.runs import plug_ins
from tnas_cli.runs.called import called_as
from tnas_cli.runs.files import refused
from tnas_cli.runs.interrupt import signals_as_interrupt
from tnas_cli.runs.paths import expanded_words
from tnas_cli.runs.ranks import started_by_torchrun
from tnas_cli.spelling import broken_between_words, visible
from tnas_cli.version import __version__

app = typer.Typer(
    name="tnas",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: What Typer raises for a command line that it cannot read; Typer exports only the subclass BadParameter.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tnas {__version__}")
        raise typer.Exit


@app.callback()
def tnas(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """Learn a meta-architecture that a few gradient steps adapt to a new few-shot task (T-NAS, ICLR 2020)."""


def _register() -> None:
    """Import the subcommands; each file brings its own options and imports the engine only when it runs."""
    from tnas_cli.cli import (
        adapt,
        cite,
        decode,
        doctor,
        export,
        grow,
        models,
        predict,
        prepare_data,
        quickstart,
        report,
        reproduce,
        resume,
        runs,
        search,
        supervised,
        train_eval,
        transfer,
        watch,
    )

    app.command("prepare-data")(prepare_data.prepare_data)
    app.command("search")(search.search)
    app.command("adapt")(adapt.adapt)
    app.command("predict")(predict.predict)
    app.command("export")(export.export)
    app.command("models")(models.models)
    app.command("decode")(decode.decode)
    app.command("train-eval")(train_eval.train_eval)
    app.command("report")(report.report)
    app.command("runs")(runs.runs)
    app.command("watch")(watch.watch)
    app.command("resume")(resume.resume)
    app.command("reproduce", rich_help_panel="Other experiments of the paper")(reproduce.reproduce)
    app.command("grow", rich_help_panel="Other experiments of the paper")(grow.grow)
    for name, command in (("supervised", supervised.supervised), ("transfer", transfer.transfer)):
        app.command(name, rich_help_panel="Other experiments of the paper")(command)
    for name, command in (("quickstart", quickstart.quickstart), ("doctor", doctor.doctor), ("cite", cite.cite)):
        app.command(name, rich_help_panel="Start, check, cite")(command)


_register()


def main() -> None:
    """Run `tnas`. An error is shown as a paragraph with a hint, and sets the exit code; TNAS_DEBUG=1 shows a traceback.

    Plug-ins of other packages that were left out are named at the end.
    """
    with safe_streams():
        try:
            with signals_as_interrupt():
                code = over_ranks(_run) if started_by_torchrun() else _run()
        except KeyboardInterrupt:  # a second signal, while the first was being handled
            code = Interrupted.exit_code
    sys.exit(code)


def _run() -> int:
    said = ""
    try:
        called_as(["tnas", *sys.argv[1:]])
        words = expanded_words(sys.argv[1:]) or ["--help"]
        if not {"-h", "--help"}.isdisjoint(words):
            readable_help()
        code = app(args=words, prog_name="tnas", standalone_mode=False) or 0
        sys.stdout.flush()
        if code == Interrupted.exit_code:
            sys.stderr.write("interrupted\n")
    except BrokenPipeError:  # whoever read standard output has seen enough
        code = TnasError.exit_code
    except (TnasError, _UsageError, OSError, MemoryError) as error:
        if os.environ.get("TNAS_DEBUG") == "1":
            raise
        shown = _as_ours(error)
        said, code = str(shown), shown.exit_code
        for note in getattr(error, "__notes__", ()):  # what became of the input until then
            _tell(visible(note))
        _tell(f"error: {said}")
    except Exception as error:
        if os.environ.get("TNAS_DEBUG") == "1":
            raise
        _tell(f"error: unexpected {type(error).__name__}: {visible(str(error))}\nhint: TNAS_DEBUG=1 shows where")
        code = TnasError.exit_code
    for problem in plug_ins.problems():
        if problem not in said:
            _tell(f"warning: {visible(problem)}")
    return code


def _tell(lines: str) -> None:
    """Lines on stderr, without Rich, which takes a while to import; see `Screen.say`."""
    columns = shutil.get_terminal_size().columns
    for line in lines.split("\n"):
        sys.stderr.write(f"{broken_between_words(line, columns) if sys.stderr.isatty() else line}\n")


def _as_ours(error: Exception) -> TnasError:
    if isinstance(error, TnasError):
        return error
    if isinstance(error, MemoryError):
        return TnasError("there is not enough memory.", hint="take fewer tasks at a time, or end other programs")
    return refused(error) if isinstance(error, OSError) else _usage(error)


def _usage(error: Any) -> SettingsError:
    """Typer's complaint about the command line as a SettingsError."""
    command = error.ctx.command_path if error.ctx else "tnas"
    return SettingsError(error.format_message(), hint=f"{command} --help")
