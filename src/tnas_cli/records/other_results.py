"""The results of commands that neither search nor measure: estimates, genotypes, data sets, the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tnas_cli.records.account import InputAccount
from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, Seconds, Share, Some, flat
from tnas_cli.records.parts import Coverage, Environment, LeftOut, PlannedBytes, PlannedCost, SplitFacts
from tnas_cli.records.results import Result


@dataclass(frozen=True, kw_only=True)
class Estimate(Result):
    """What a computation will cost (`--dry-run`), measured on a few steps: weights, arithmetic of one task, seconds."""

    further: ClassVar[Mapping[str, object]] = {"dry_run": True}

    engine: str | None
    parameters: Count
    flops_per_task: Count | None
    seconds_per_step: Seconds
    seconds_per_validation: Seconds
    steps: Count
    total_seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class SearchEstimate(Estimate):
    """The cost of `tnas search`."""

    command = "search"


@dataclass(frozen=True, kw_only=True)
class TrainEstimate(Estimate):
    """The cost of `tnas train-eval`: the numbers of one network, and `total_seconds` of all.

    `cost` is what was asked for; `paper_cost` that of the paper's cell, 600 genotypes of 300,000 tasks each, on the
    same cores, and `tenth_cost` that of a tenth of these tasks: both are None for inherited weights, which are trained
    once. `side_by_side` networks are trained at a time: here, or by so many `workers` of a cluster.
    """

    command = "train-eval"

    genotypes: Count
    side_by_side: Some
    workers: Some | None = None
    cost: PlannedCost | None = None
    paper_cost: PlannedCost | None = None
    tenth_cost: PlannedCost | None = None
    bytes: PlannedBytes | None = None


@dataclass(frozen=True, kw_only=True)
class GrowEstimate(Estimate):
    """The cost of `tnas grow`: the numbers of one cell of the final size, and `total_seconds` of all `cells` of all
    sizes, `side_by_side` at a time."""

    command = "grow"

    cells: Some
    side_by_side: Some


@dataclass(frozen=True, kw_only=True)
class DecodeResult(Result):
    """The genotypes of `tasks` tasks, and the digests of the most frequent ones with their counts."""

    command = "decode"

    tasks: Count
    distinct: Count
    most_frequent: Mapping[str, int]
    skip_share: Share
    pool_share: Share
    warning: str | None
    max_skips: Count | None = None
    pictures: tuple[str, ...] | None = None
    modules: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PredictResult(Result):
    """Images that an adapted `model` answered for: how many in all and by class. `left_out` were given and could not be
    read; `account` says how the others were converted. `page` and `sorted_into` are what was written for a person to
    look at, `sorted_files` how many files.

    With `--reject`, answers below a probability count as `unsure` and not by class; `expected` is what the validation
    tasks of the checkpoint say of the others. The `temperature` came with the model.
    """

    command = "predict"

    model: str
    images: Count
    classes: Mapping[str, int]
    left_out: tuple[LeftOut, ...]
    account: InputAccount | None = None
    wall_seconds: Seconds
    images_per_second: Seconds | None
    temperature: float = 1.0
    reject: Share | None = None
    unsure: Count | None = None
    expected: Coverage | None = None
    page: str | None = None
    sorted_into: str | None = None
    sorted_files: Count | None = None
    engine: str
    environment: Environment = flat()


@dataclass(frozen=True, kw_only=True)
class ExportResult(Result):
    """An adapted `model` in a file of another `format`: onnx or torch. `classes` are in the order of the logits."""

    command = "export"

    model: str
    path: str
    format: str
    classes: tuple[str, ...]
    bytes: Count


@dataclass(frozen=True, kw_only=True)
class PreparedData(Result):
    """A data set in one file; `splits` by name. `account` says what became of the source's files; data sets that were
    prepared by 0.2.0 and earlier have none. `invert` says which images were inverted: no, yes, or auto (those on a
    bright ground)."""

    command = "prepare-data"

    dataset: str
    protocol: str
    split_note: str
    seed: int
    size: Some
    channels: Some
    resize: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: Mapping[str, SplitFacts]
    licence: str
    source: str
    fingerprint: str
    duplicates_across_splits: Count
    account: InputAccount | None = None
    invert: str | None = None
    path: str
    bytes: Count
    preview: str | None = None


@dataclass(frozen=True, kw_only=True)
class UnreadableCache(Part):
    """A file that should hold a data set, and why it cannot be read."""

    dataset: str
    path: str
    error: str


@dataclass(frozen=True, kw_only=True)
class KnownDataSet(Part):
    """A data set that can be prepared, `how` to get it, and which caches of it are prepared."""

    dataset: str
    about: str
    licence: str
    how: str
    protocols: tuple[str, ...]
    prepared: tuple[PreparedData | UnreadableCache, ...]


@dataclass(frozen=True, kw_only=True)
class DataSets(Result):
    """All data sets that are known or prepared."""

    command = "prepare-data"

    data_sets: tuple[KnownDataSet, ...]


@dataclass(frozen=True, kw_only=True)
class DoctorResult(Result):
    """Whether the installation is sound, and how fast the machine is.

    added, left_out: methods and data sets of other packages, and why some of them cannot be used. usable_cores: those
    that the process is bound to, within its container's share of time.
    """

    command = "doctor"

    environment: Environment = flat()
    usable_cores: int | None = None
    packages: Mapping[str, str]
    engine: str
    engine_reason: str
    kernels: str | None
    cache: str
    prepared: tuple[str, ...]
    added: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gradient_error: float
    engine_error: float
    sound: bool
    search_tasks_per_second: float


@dataclass(frozen=True, kw_only=True)
class ModelsResult(Result):
    """How many models come with tnas, and the folder of the example task that was written (`--example`)."""

    command = "models"

    models: Count
    example: str | None = None
