"""What records are made of: tasks and images by name, budgets, the machine, and numbers with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, Share, Some, given


@dataclass(frozen=True, kw_only=True)
class Accuracy(Part):
    """A mean accuracy and the half-width of its 95% interval, as shares of 1."""

    mean: Share
    interval: Share


@dataclass(frozen=True, kw_only=True)
class TaskName(Part):
    """Which task: a `folder`; or the number `index` of a data set's stored tasks of a split; or none but the search's
    checkpoint (`meta_architecture`)."""

    folder: str | None = None
    dataset: str | None = None
    protocol: str | None = None
    split: str | None = None
    index: Count | None = None
    meta_architecture: str | None = None


@dataclass(frozen=True, kw_only=True)
class DataFacts(Part):
    """The images that a search saw; `size` and `channels` of an image, `mean` and `std` of its normalisation, and the
    `fingerprint` (content hash) of the prepared data set."""

    channels: Some
    dataset: str | None = given(missing=None)
    protocol: str | None = given(missing=None)
    size: Some | None = given(missing=None)
    mean: tuple[float, ...] = given(missing=())
    std: tuple[float, ...] = given(missing=())
    fingerprint: str | None = given(missing=None)


@dataclass(frozen=True, kw_only=True)
class Preparation(Part):
    """How images became what the network saw.

    `resize` is how they became squares: fit, crop or stretch; None where the data set came in its size. `invert` is
    what was asked for, dark ink turned bright: for all images, for none, or by the look of each ("auto"); None where
    that is no question. `inverted` is how many were.
    """

    size: Some
    channels: Some
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str | None = None
    invert: bool | Literal["auto"] | None = None
    inverted: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Inner(Part):
    """The adaptation: step sizes of weights (`alpha`) and theta (`beta`), and the number of `steps`."""

    alpha: float
    beta: float
    steps: Count


@dataclass(frozen=True, kw_only=True)
class Amount(Part):
    """So many `tasks`, `batches` or `epochs`; `each` names what had so many, if not all together: genotype."""

    amount: Count
    unit: Literal["tasks", "batches", "epochs"]
    each: str | None = None


@dataclass(frozen=True, kw_only=True)
class Budget(Part):
    """What the search that found the architectures had, and what the training of weights had; None where there was
    none, or where it is not known."""

    search: Amount | None = None
    training: Amount | None = None


@dataclass(frozen=True, kw_only=True)
class CountedFor(Part):
    """The network whose weights were counted: its classes, the channels of its images, and its width."""

    way: Some
    image_channels: Some
    channels: Some


@dataclass(frozen=True, kw_only=True)
class Environment(Part):
    """Where it was computed, as `environment.json` of a run has it."""

    package_version: str | None = None
    python: str | None = None
    torch: str | None = None
    platform: str | None = None
    processor: str | None = None
    cores: Count | None = None
    threads: Count | None = None
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction(Part):
    """A query image of a task folder, the class it was given with which probability, and its true class if known."""

    image: str
    class_: str
    probability: Share
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskAccuracy(Part):
    """One stored task: the accuracy on it, and the genotype that was measured on it, where it is one."""

    index: Count
    accuracy: Share
    digest: str | None = None
    skip_connections: Count | None = None
    pools: Count | None = None


@dataclass(frozen=True, kw_only=True)
class OwnTasks(Part):
    """The mean over the tasks that decoded to the genotypes, each measured on its own (the paper's protocol)."""

    tasks: Count
    mean: Share
    interval: Share
    per_task: tuple[TaskAccuracy, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork(Part):
    """One network of a result: its genotype's digest, or its name; how many tasks decoded to it (`count`); what it
    reached; its best `validation` accuracy, its number of weights and on how many tasks it was trained."""

    digest: str
    count: Some
    mean: Share | None = given(missing=None)
    interval: Share | None = given(missing=None)
    validation: float | None = given(missing=None)
    parameters: Count | None = given(missing=None)
    training_tasks: Count | None = None
    skip_connections: Count | None = None
    pools: Count | None = None
    top5_mean: Share | None = None


@dataclass(frozen=True, kw_only=True)
class GenotypeAccuracy(Part):
    """What one genotype reached on one task."""

    digest: str
    accuracy: Share


@dataclass(frozen=True, kw_only=True)
class SupervisedTask(Part):
    """One task of the supervised setting: the mean over its genotypes."""

    task: Count
    mean: Share
    genotypes: tuple[GenotypeAccuracy, ...]


@dataclass(frozen=True, kw_only=True)
class SplitFacts(Part):
    """What a split of a data set holds."""

    classes: Count
    images: Count
