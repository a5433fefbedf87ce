"""`tnas predict`: classes for images from an adapted model, as a table, records, CSV, a page, or sorted files."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, add_row, table
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.say_account import say_account
from tnas_cli.cli.show_adapted import expectation_lines
from tnas_cli.cli.streams import standard_input
from tnas_cli.errors import SettingsError
from tnas_cli.records.kinds import Predicted
from tnas_cli.records.other_results import PredictResult
from tnas_cli.runs.device import Machine
from tnas_cli.spelling import cell

#: Rows of the table for a person; more are for --csv or --json.
SHOWN = 50

COLUMNS = ("image", "class", "probability", "runner-up", "its probability")


_machine = options.machine_without("tensorboard", "cache_dir", "offline", "allow_other_data")


@flat
def predict(
    *,
    model: Annotated[Path, typer.Argument(help="A model that tnas adapt kept.")],
    images: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns like 'photos/*.jpg', or - for a list on stdin.")
    ],
    as_csv: Annotated[
        bool, typer.Option("--csv", help="One line per image on stdout.", rich_help_panel=options.OUTPUT)
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", metavar="FILE.html", help="Also a page of the images by class, the least certain first."
        ),
    ] = None,
    sort_into: Annotated[
        Path | None, typer.Option("--sort-into", metavar="DIR", help="Also copy every image to DIR/<class>/.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="With --sort-into: link instead of copying.")] = False,
    reject: options.Reject = 0.0,
    machine: Annotated[Machine, From(_machine)],
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """Predict the classes of images with an adapted model; each answer depends on its image alone.

    Images that cannot be read are listed at the end, and the others answered. Nothing is moved or overwritten.
    """
    from tnas_cli.commands.predict import Sorting
    from tnas_cli.commands.predict import predict as predict_images

    _check(sort_into, link=link, as_csv=as_csv, as_json=screen.as_json)
    rows: list[Predicted] = []
    with screen.progress() as listener:
        result = predict_images(
            model,
            images,
            stdin=standard_input() if "-" in images else None,
            each=_printer(screen, rows, as_csv=as_csv),
            page=page,
            sort=None if sort_into is None else Sorting(sort_into, link),
            reject=reject,
            machine=machine,
            listener=listener,
        )
    if screen.as_json:
        screen.record(result.to_json())
    elif not as_csv:
        screen.show(_table(rows))
    _say(screen, result, len(rows))


def _check(sort_into: Path | None, *, link: bool, as_csv: bool, as_json: bool) -> None:
    """Raises SettingsError for options that do not go together."""
    if as_csv and as_json:
        raise SettingsError("--csv and --json exclude each other.", hint="leave one of them out")
    if link and sort_into is None:
        raise SettingsError("--link does nothing without --sort-into.", hint="add --sort-into DIR")


def _printer(screen: Screen, rows: list[Predicted], *, as_csv: bool) -> Callable[[Predicted], None]:
    """What is done with each answer as soon as it is known."""
    if screen.as_json:
        return lambda answer: screen.record(answer.to_json())
    if not as_csv:
        return lambda answer: rows.append(answer) if len(rows) < SHOWN else None
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(answer: Predicted) -> None:
        writer.writerow(map(cell, _cells(answer)))
        sys.stdout.flush()  # what is known is kept, however the command ends

    return write


def _cells(answer: Predicted) -> tuple[str, ...]:
    first, second = f"{answer.probability:.4f}", f"{answer.runner_up_probability:.4f}"  # neither begins with a sign
    if answer.unsure:
        return answer.image, "unsure", first, f"{answer.class_} or {answer.runner_up}", second
    return answer.image, answer.class_, first, answer.runner_up, second


def _table(rows: list[Predicted]) -> Table:
    drawn = table(COLUMNS, overflow="fold")
    for answer in rows:
        add_row(drawn, *_cells(answer))
    return drawn


def _say(screen: Screen, result: PredictResult, shown: int) -> None:
    if shown and result.images > shown:
        screen.say(f"the first {shown} of {result.images} images are shown; --csv and --json give all")
    counts = [f"{name} {count}" for name, count in result.classes.items()]
    counts += [] if result.unsure is None else [f"unsure {result.unsure}"]
    screen.say(f"{result.images} images: {', '.join(counts)}")
    for line in expectation_lines(result.expected):
        screen.say(line)
    say_account(screen, result.account)
    if result.page:
        screen.say(f"page: {result.page}")
    if result.sorted_into:
        screen.say(f"sorted: {result.sorted_files} files into {result.sorted_into}")
