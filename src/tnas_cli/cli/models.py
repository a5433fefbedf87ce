"""`tnas models`: what comes with tnas, as a table, cards, or records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tnas_cli.cli import options
from tnas_cli.cli.console import Screen, add_row, table
from tnas_cli.cli.flat import From, flat
from tnas_cli.cli.show import percent
from tnas_cli.records.kinds import ModelCard
from tnas_cli.spelling import command, duration

COLOURS = {1: "gray", 3: "colour"}


@flat
def models(
    *,
    name: Annotated[str | None, typer.Argument(help="Show the whole card of this model.")] = None,
    example: Annotated[
        Path | None, typer.Option("--example", metavar="DIR", help="Also write a task folder of drawn characters.")
    ] = None,
    screen: Annotated[Screen, From(options.screen)],
) -> None:
    """List the models that come with tnas; a name stands wherever a command takes a checkpoint.

    A model answers for images of your own without any data set or training: tnas adapt NAME my_task/.
    """
    from tnas_cli.commands.models import models as shipped_models

    found, result = shipped_models(name, example=example)
    if screen.as_json:
        for record in [*found, result]:
            screen.record(record.to_json())
        return
    if name is None:
        screen.show(_table(found))
    else:
        screen.text("\n".join(_card(found[0])))
    task = Path("my_task") if example is None else example
    made = (task / "support").is_dir()
    screen.next(command("tnas", *(("adapt", found[0].name) if made else ("models", found[0].name, "--example")), task))


def _images(card: ModelCard) -> str:
    return f"{COLOURS.get(card.image_channels, f'{card.image_channels} channels')}, {card.size} px"


def _table(cards: list[ModelCard]) -> Table:
    from tnas_cli.methods.registry import title_of

    shots = sorted({row.shot for card in cards for row in card.accuracy})
    names = ("name", "method", "images", *(f"{shot}-shot" for shot in shots))
    title = "models that come with tnas: accuracy of single images, of new classes"
    drawn = table(names, title=title, no_wrap=True)
    for card in cards:
        reached = {row.shot: f"{percent(row.inductive.mean)}%" for row in card.accuracy}
        numbers = [reached.get(shot, "") for shot in shots]
        add_row(drawn, card.name, title_of(card.method) or card.method, _images(card), *numbers)
    return drawn


def _card(card: ModelCard) -> list[str]:
    lines = [
        f"{card.name}: {card.title}",
        f"learned from {card.dataset} ({card.protocol} split; licence: {card.licence}), {_images(card)}, "
        f"{card.tasks:,} tasks, {duration(card.seconds)} on one thread of an {card.processor}",
        *(f"  {command}" for command in card.commands),
        "accuracy on test classes, each image by itself (all query images together):",
    ]
    for row in card.accuracy:
        alone, together = row.inductive, row.transductive
        lines.append(
            f"  {row.way}-way {row.shot}-shot: {percent(alone.mean)} ± {percent(alone.interval)}% "
            f"({percent(together.mean)} ± {percent(together.interval)}%), {row.tasks} tasks"
        )
    return [
        *lines,
        f"fit for: {card.fit_for}",
        f"not for: {card.not_for}",
        f"{card.bytes:,} bytes, sha256 {card.sha256}",
    ]
