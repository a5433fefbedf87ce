"""The commands as plain functions; each returns, or yields, the records the command prints."""

from tnas_cli.engine.adapt import adapt_dataset, adapt_folders
from tnas_cli.engine.cite import cite
from tnas_cli.engine.decode import decode
from tnas_cli.engine.doctor import doctor
from tnas_cli.engine.figures import figures
from tnas_cli.engine.genotype_source import read_genotypes
from tnas_cli.engine.html_report import html_report
from tnas_cli.engine.prepare_data import prepare_data
from tnas_cli.engine.quickstart import quickstart
from tnas_cli.engine.report import check, compare, report
from tnas_cli.engine.search import resume as resume_search
from tnas_cli.engine.search import search
from tnas_cli.engine.supervised import resume as resume_supervised
from tnas_cli.engine.supervised import supervised, supervised_settings
from tnas_cli.engine.train_eval import resume as resume_train_eval
from tnas_cli.engine.train_eval import train_eval
from tnas_cli.engine.train_settings import settings_for
from tnas_cli.engine.trainable import read_trainables
from tnas_cli.engine.transfer import resume as resume_transfer
from tnas_cli.engine.transfer import transfer, transfer_settings
from tnas_cli.evaluate.supervised_settings import SupervisedSettings
from tnas_cli.evaluate.transfer_settings import TransferSettings
from tnas_cli.settings import SearchSettings, TrainSettings, preset

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
