"""T-NAS (Lian et al., ICLR 2020): fast adaptation of neural architectures with meta-learning.

    import tnas_cli as tnas

    found = tnas.search(tnas.SearchSettings(dataset="glyphs", way=5, shot=1, tasks=200), listener=tnas.progress())
    tasks, result = tnas.adapt_dataset(found.checkpoint, "glyphs", tasks=20)

Every command is a plain, typed function that returns, or yields, the records that the command prints with --json.
Nothing prints unless a listener does. Importing this package imports nothing else: a name is looked up when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tnas_cli.version import __version__

if TYPE_CHECKING:
    from tnas_cli.cli.console import progress as progress
    from tnas_cli.commands.adapt import adapt_dataset as adapt_dataset
    from tnas_cli.commands.adapt import adapt_folders as adapt_folders
    from tnas_cli.commands.cite import cite as cite
    from tnas_cli.commands.decode import decode as decode
    from tnas_cli.commands.doctor import doctor as doctor
    from tnas_cli.commands.export import export as export
    from tnas_cli.commands.figures import figures as figures
    from tnas_cli.commands.grow import estimate_growing as estimate_growing
    from tnas_cli.commands.grow import grow as grow
    from tnas_cli.commands.models import models as models
    from tnas_cli.commands.predict import Sorting as Sorting
    from tnas_cli.commands.predict import predict as predict
    from tnas_cli.commands.prepare_data import data_sets as data_sets
    from tnas_cli.commands.prepare_data import prepare_data as prepare_data
    from tnas_cli.commands.quickstart import quickstart as quickstart
    from tnas_cli.commands.report import check as check
    from tnas_cli.commands.report import compare as compare
    from tnas_cli.commands.report import report as report_table  # noqa: F401  `report` is a package too
    from tnas_cli.commands.reproduce import estimate_reproduction as estimate_reproduction
    from tnas_cli.commands.reproduce import reproduce as reproduce
    from tnas_cli.commands.reproduction.plan import Wish as Wish
    from tnas_cli.commands.resume import resume as resume
    from tnas_cli.commands.runs import list_runs as list_runs
    from tnas_cli.commands.search import estimate_search as estimate_search
    from tnas_cli.commands.search import search as search
    from tnas_cli.commands.supervised import supervised as supervised
    from tnas_cli.commands.train_eval import estimate_training as estimate_training
    from tnas_cli.commands.train_eval import inherit as inherit
    from tnas_cli.commands.train_eval import train_eval as train_eval
    from tnas_cli.commands.transfer import transfer as transfer
    from tnas_cli.commands.watch import watch as watch
    from tnas_cli.errors import TnasError as TnasError
    from tnas_cli.recipes.adapt import Asked as Asked
    from tnas_cli.recipes.as_module import module as module
    from tnas_cli.recipes.grow import grow_settings as grow_settings
    from tnas_cli.recipes.train_settings import settings_for as settings_for
    from tnas_cli.recipes.trainable import read_trainables as read_trainables
    from tnas_cli.report.html_report import html_report as html_report
    from tnas_cli.runs.changes import Changes as Changes
    from tnas_cli.runs.cluster_address import ClusterAddress as ClusterAddress
    from tnas_cli.runs.device import Machine as Machine
    from tnas_cli.settings.grow import GrowSettings as GrowSettings
    from tnas_cli.settings.search import SearchSettings as SearchSettings
    from tnas_cli.settings.supervised import SupervisedSettings as SupervisedSettings
    from tnas_cli.settings.train import TrainSettings as TrainSettings
    from tnas_cli.settings.transfer import TransferSettings as TransferSettings

#: Where each name of the Python interface is defined; after a colon its name there, if that differs.
_HOMES = {
    "Asked": "recipes.adapt",
    "Changes": "runs.changes",
    "ClusterAddress": "runs.cluster_address",
    "GrowSettings": "settings.grow",
    "Machine": "runs.device",
    "SearchSettings": "settings.search",
    "Sorting": "commands.predict",
    "SupervisedSettings": "settings.supervised",
    "TnasError": "errors",
    "TrainSettings": "settings.train",
    "TransferSettings": "settings.transfer",
    "Wish": "commands.reproduction.plan",
    "adapt_dataset": "commands.adapt",
    "adapt_folders": "commands.adapt",
    "check": "commands.report",
    "cite": "commands.cite",
    "compare": "commands.report",
    "data_sets": "commands.prepare_data",
    "decode": "commands.decode",
    "doctor": "commands.doctor",
    "estimate_growing": "commands.grow",
    "estimate_reproduction": "commands.reproduce",
    "estimate_search": "commands.search",
    "estimate_training": "commands.train_eval",
    "export": "commands.export",
    "figures": "commands.figures",
    "grow": "commands.grow",
    "grow_settings": "recipes.grow",
    "html_report": "report.html_report",
    "inherit": "commands.train_eval",
    "list_runs": "commands.runs",
    "models": "commands.models",
    "module": "recipes.as_module",
    "predict": "commands.predict",
    "prepare_data": "commands.prepare_data",
    "progress": "cli.console",
    "quickstart": "commands.quickstart",
    "read_trainables": "recipes.trainable",
    "report_table": "commands.report:report",
    "reproduce": "commands.reproduce",
    "resume": "commands.resume",
    "search": "commands.search",
    "settings_for": "recipes.train_settings",
    "supervised": "commands.supervised",
    "train_eval": "commands.train_eval",
    "transfer": "commands.transfer",
    "watch": "commands.watch",
}

__all__ = ["__version__", *_HOMES]


# A type checker knows the names from above; with this function it would take any other name for one, too.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, original = _HOMES[name].partition(":")
        value = getattr(import_module(f"{__name__}.{module}"), original or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
