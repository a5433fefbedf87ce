"""Work on one data set by one engine: what all recipes have in common once they are ready."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.engines.interface import Engine
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.runs.recipe import Work


class DataWork(Work):
    """Work that has its data set open and its engine chosen; None is PyTorch without an engine."""

    cache: ImageCache
    engine: Engine | None

    @property
    def engine_name(self) -> str:
        return "torch" if self.engine is None else self.engine.name

    @property
    def fingerprint(self) -> str:
        return self.cache.fingerprint

    @property
    def data_path(self) -> Path:
        return self.cache.path
