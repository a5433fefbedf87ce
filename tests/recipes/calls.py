"""Commands as tests of recipes call them: they return what `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tnas_cli.commands import grow as grow_command
from tnas_cli.commands import resume as resume_command
from tnas_cli.commands import search as search_command
from tnas_cli.commands import supervised as supervised_command
from tnas_cli.commands import train_eval as train_command
from tnas_cli.commands import transfer as transfer_command
from tnas_cli.recipes.trainable import TrainableRecord
from tnas_cli.runs.changes import Changes

Json = dict[str, Any]


def search(settings: Any, **options: Any) -> Json:
    return search_command.search(settings, **options).to_json()


def train_eval(records: Sequence[TrainableRecord], settings: Any, **options: Any) -> Json:
    return train_command.train_eval(records, settings, **options).to_json()


def supervised(records: Sequence[TrainableRecord], settings: Any, **options: Any) -> Json:
    return supervised_command.supervised(records, settings, **options).to_json()


def transfer(records: Sequence[TrainableRecord], settings: Any, **options: Any) -> Json:
    return transfer_command.transfer(records, settings, **options).to_json()


def grow(settings: Any, **options: Any) -> Json:
    return grow_command.grow(settings, **options).to_json()


def resume(
    run: Path,
    *,
    hours: float | None = None,
    side_by_side: int | None = None,
    until: float | None = None,
    **options: Any,
) -> Json:
    return resume_command.resume(run, changes=Changes(hours, side_by_side, until), **options).to_json()
