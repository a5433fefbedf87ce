"""The commands as plain functions; each returns, or yields, the records the command prints."""

from tnas_cli.commands.cite import cite
from tnas_cli.commands.decode import decode
from tnas_cli.commands.doctor import doctor
from tnas_cli.commands.figures import figures
from tnas_cli.commands.prepare_data import prepare_data
from tnas_cli.commands.quickstart import quickstart
from tnas_cli.commands.report import check, compare, report
from tnas_cli.recipes.adapt import adapt_dataset, adapt_folders
from tnas_cli.recipes.from_scratch import resume as resume_train_eval
from tnas_cli.recipes.from_scratch import train_eval
from tnas_cli.recipes.genotype_source import read_genotypes
from tnas_cli.recipes.search import resume as resume_search
from tnas_cli.recipes.search import search
from tnas_cli.recipes.supervised import resume as resume_supervised
from tnas_cli.recipes.supervised import supervised, supervised_settings
from tnas_cli.recipes.train_settings import settings_for
from tnas_cli.recipes.trainable import read_trainables
from tnas_cli.recipes.transfer import resume as resume_transfer
from tnas_cli.recipes.transfer import transfer, transfer_settings
from tnas_cli.report.html_report import html_report
from tnas_cli.settings.few_shot import SearchSettings, TrainSettings, preset
from tnas_cli.settings.supervised import SupervisedSettings
from tnas_cli.settings.transfer import TransferSettings

__all__ = [
    "SearchSettings",
    "SupervisedSettings",
    "TrainSettings",
    "TransferSettings",
    "adapt_dataset",
    "adapt_folders",
    "check",
    "cite",
    "compare",
    "decode",
    "doctor",
    "figures",
    "html_report",
    "prepare_data",
    "preset",
    "quickstart",
    "read_genotypes",
    "read_trainables",
    "report",
    "resume_search",
    "resume_supervised",
    "resume_train_eval",
    "resume_transfer",
    "search",
    "settings_for",
    "supervised",
    "supervised_settings",
    "train_eval",
    "transfer",
    "transfer_settings",
]
