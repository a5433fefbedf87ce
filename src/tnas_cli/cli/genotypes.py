"""The genotype argument of the commands that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tnas_cli.cli.console import Screen
from tnas_cli.cli.streams import standard_input
from tnas_cli.errors import SettingsError

if TYPE_CHECKING:
    from tnas_cli.recipes.trainable import TrainableRecord


def read_argument(
    genotype: str | None, screen: Screen, max_skips: int | None = None, *, example: str
) -> list[TrainableRecord]:
    """The records that the argument names; '-' is standard input. Raises SettingsError without an argument."""
    from tnas_cli.recipes.trainable import read_trainables

    if genotype is None:
        raise SettingsError("no genotype given.", hint=f"for example: {example}")
    return read_trainables(genotype, standard_input() if genotype == "-" else None, max_skips, screen.told)
