"""What a kind of long work has to provide, so that `job.py` can start, stop and continue its runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from tnas_cli.records.kinds import Record
from tnas_cli.records.results import Result
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Listener

if TYPE_CHECKING:
    import torch

    from tnas_cli.runs.life import Life
    from tnas_cli.runs.run_directory import RunDirectory


class Settings(Protocol):
    """Any settings, as plain values and as TOML text."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""

    def to_toml(self) -> str:
        """The text of `settings.toml`."""


class Recipe(ABC):
    """What was asked for. `kind` names the recipe in run.json; `changeable` are the changes it takes when it continues;
    `given` are the records that it was given, `options` plain values that it needs besides its settings."""

    kind: ClassVar[str]
    changeable: ClassVar[tuple[str, ...]] = ()
    given: Sequence[Record]

    @property
    def options(self) -> Mapping[str, Any]:
        """What it needs to continue besides its settings, as JSON values; paths are absolute."""
        return {}

    @classmethod
    @abstractmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        """The recipe of a run that continues; raises SettingsError."""

    def changed(self, changes: Changes) -> Self:
        """The recipe with the changes that are in `changeable`."""
        return self

    @abstractmethod
    def prepare(self, machine: Machine, listener: Listener) -> Work:
        """Open the data and choose the engine; whatever cannot work is refused here, before anything is written."""


class Work(ABC):
    """A recipe with its data, networks and engine at hand."""

    #: The settings are the recipe's, with what the data decides filled in.
    recipe: Recipe
    settings: Settings
    device: torch.device

    @property
    @abstractmethod
    def name(self) -> str:
        """The run folder's name, without its number."""

    @property
    @abstractmethod
    def engine_name(self) -> str:
        """The engine that computes."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """The content hash of its images."""

    @property
    @abstractmethod
    def data_path(self) -> Path:
        """Where its images lie."""

    @abstractmethod
    def run(self, life: Life) -> Result:
        """Do what is not done yet, and return the result. Results and states of units are kept in the run's folder."""

    def reopen(self, run: RunDirectory) -> None:  # noqa: B027  most kinds of work have nothing to forget
        """Forget those parts of a finished run that the changes give more to do."""
