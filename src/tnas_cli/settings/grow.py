"""Settings of `tnas grow`; presets/grow.toml says where its values come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tnas_cli.settings import features
from tnas_cli.settings.fields import SEARCH, setting
from tnas_cli.settings.preset import Kind
from tnas_cli.settings.train import TrainSettings


@dataclass(frozen=True)
class GrowSettings(TrainSettings):
    """A cell that grows node by node. The other settings are those of each candidate's training; its `tasks` too."""

    presets: ClassVar[Kind] = "grow"

    method: str = setting("reptile", help="What trains the candidates: reptile, maml, ...", needs=features.SCRATCH)
    space: str = setting("darts", help="Where operations come from: darts, tiny, enas, ...", panel=SEARCH)
    nodes: int = setting(4, help="Nodes of the cell.", panel=SEARCH, least=1)
    first: int = setting(32, help="Cells of one node to train, at most.", panel=SEARCH, least=2)
    beam: int = setting(6, help="Cells to train of each larger size.", panel=SEARCH, least=1)
