"""The `tnas` command: its subcommands, and how an error leaves the program."""

from __future__ import annotations

import os
import signal
import sys

import typer

from tnas_cli import __version__
from tnas_cli.errors import TnasError

app = typer.Typer(
    name="tnas",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    from tnas_cli.cli import adapt, decode, doctor, prepare_data, quickstart, report, search, train_eval

    app.command("prepare-data")(prepare_data.prepare_data)
    app.command("search")(search.search)
    app.command("adapt")(adapt.adapt)
    app.command("decode")(decode.decode)
    app.command("train-eval")(train_eval.train_eval)
    app.command("report")(report.report)
    app.command("quickstart")(quickstart.quickstart)
    app.command("doctor")(doctor.doctor)


_register()


def main() -> None:
    """Run `tnas`; an error of ours becomes one paragraph, a hint and its exit code."""
    debug = os.environ.get("TNAS_DEBUG") == "1"
    try:
        app()
    except TnasError as error:
        if debug:
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of the pipeline has gone: leave quietly, as other tools do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
