"""What `tnas train-eval` was asked for, in the terms that all its settings share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.errors import SettingsError

if TYPE_CHECKING:
    from tnas_cli.recipes.trainable import TrainableRecord
    from tnas_cli.runs.device import Machine


@dataclass(frozen=True)
class Asked:
    """given: the settings that the user named. resume: the run to go on with, which has all else of its own."""

    genotype: str | None
    given: Mapping[str, Any]
    preset: str
    limit: int | None
    max_skips: int | None
    resume: Path | None
    runs: Path
    machine: Machine
    dry_run: bool

    def refuse_beside_resume(self, *further: object, but: str | None = None) -> None:
        """Raises SettingsError where a run to go on with is named beside anything that it has of its own, settings or
        `further`; `but` is a setting that may be given anew.
        """
        own = [self.genotype, self.limit, *further, *(name for name in self.given if name != but)]
        if self.resume is not None and any(own):
            raise SettingsError(
                "--resume takes the run's own genotypes and settings.",
                hint=f"give nothing but --resume{f' and --{but}' if but else ''}",
            )

    def records(self, example: str) -> list[TrainableRecord]:
        """The records that the genotype names, from standard input for '-'; raises SettingsError without one."""
        from tnas_cli.recipes.trainable import read_trainables

        if self.genotype is None:
            raise SettingsError("no genotype given.", hint=f"for example: {example}")
        stdin = sys.stdin.read() if self.genotype == "-" else None
        return read_trainables(self.genotype, stdin, self.max_skips)
