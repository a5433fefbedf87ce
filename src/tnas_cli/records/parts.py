"""What records are made of: tasks and images by name, budgets, the machine, and numbers with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tnas_cli.records.account import InputAccount
from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, Quantity, Seconds, Share, Some, Way, given


@dataclass(frozen=True, kw_only=True)
class Accuracy(Part):
    """A mean accuracy and the half-width of its 95% interval, as shares of 1; and the expected calibration error of the
    answers' probabilities (`ece`, 15 bins)."""

    mean: Share
    interval: Share
    ece: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Coverage(Part):
    """Of the answers with at least a `probability`: their `share` of all answers, and their accuracy."""

    probability: Share
    share: Share
    accuracy: Share | None


@dataclass(frozen=True, kw_only=True)
class Calibration(Part):
    """What the `images` of validation tasks say of inductive answers by a `classifier` (linear or means): their
    accuracy, the `temperature` that logits are divided by, the expected calibration error before and after, and what is
    left where answers below a probability are rejected."""

    classifier: str
    accuracy: Share
    temperature: float
    images: Count
    error_before: Share | None
    error_after: Share | None
    coverage: tuple[Coverage, ...] = given(missing=())


@dataclass(frozen=True, kw_only=True)
class TaskName(Part):
    """Which task: a `folder`; or number `index` of the stored tasks of a data set's split; or no task, but the
    checkpoint of a search (`meta_architecture`)."""

    folder: str | None = None
    dataset: str | None = None
    protocol: str | None = None
    split: str | None = None
    index: Count | None = None
    meta_architecture: str | None = None


@dataclass(frozen=True, kw_only=True)
class DataFacts(Part):
    """The images that a search saw; `size` and `channels` of an image, `mean` and `std` of its normalisation, the
    `fingerprint` (content hash) of the prepared data set, and the share of the training images that stand on a bright
    ground (`bright_ground`)."""

    channels: Some
    dataset: str | None = given(missing=None)
    protocol: str | None = given(missing=None)
    size: Some | None = given(missing=None)
    mean: tuple[float, ...] = given(missing=())
    std: tuple[float, ...] = given(missing=())
    fingerprint: str | None = given(missing=None)
    bright_ground: Share | None = None


@dataclass(frozen=True, kw_only=True)
class Preparation(Part):
    """How images were prepared for the network.

    `resize` is how they became squares: fit, crop or stretch; None if the data set already came in this size. `invert`
    is whether dark ink was to be turned bright: in all images, in none, or decided for each image ("auto"); None where
    that does not apply. `inverted` is the number of images that were inverted, `bright_ground`
    the share of training images that stand on a bright ground. `account` says what became of the files, if some were
    not used as they are.
    """

    size: Some
    channels: Some
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: str | None = None
    invert: bool | Literal["auto"] | None = None
    inverted: Count | None = None
    bright_ground: Share | None = None
    account: InputAccount | None = None


@dataclass(frozen=True, kw_only=True)
class Inner(Part):
    """The adaptation: step sizes of weights (`alpha`, null where a learned optimiser moves them) and theta (`beta`),
    and the number of `steps`."""

    alpha: float | None
    beta: float
    steps: Count


@dataclass(frozen=True, kw_only=True)
class Amount(Part):
    """A number of tasks, batches or epochs; `each` says what had that many each (genotype); None for a total."""

    amount: Count
    unit: Literal["tasks", "batches", "epochs"]
    each: str | None = None


@dataclass(frozen=True, kw_only=True)
class Budget(Part):
    """The budget of the search that found the architectures, and of the training of weights; None where there was
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
    """A query image of a task folder, its predicted class with the probability, and its true class if known.

    `unsure`: the probability is below what was asked for (`--reject`). `beside`: the class by the frozen network that
    was asked too (`--beside`).
    """

    image: str
    class_: str
    probability: Share
    label: str | None = None
    unsure: bool = False
    beside: str | None = None


@dataclass(frozen=True, kw_only=True)
class OtherAnswers(Part):
    """What another network, or a rule without learning, reached on the same query images."""

    name: str
    mean: Share
    interval: Share


@dataclass(frozen=True, kw_only=True)
class ShotAccuracy(Part):
    """What a model reached on `tasks` test tasks of its data set with so many support images per class: each image by
    itself (`inductive`), and all query images together (`transductive`)."""

    way: Way
    shot: Some
    tasks: Some
    inductive: Accuracy
    transductive: Accuracy


@dataclass(frozen=True, kw_only=True)
class LeftOut(Part):
    """A file that was given and not used, and why."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskAccuracy(Part):
    """One stored task: the accuracy on it, and the genotype that was measured on it, if it was a genotype."""

    index: Count
    accuracy: Share
    digest: str | None = None
    skip_connections: Count | None = None
    pools: Count | None = None


@dataclass(frozen=True, kw_only=True)
class OwnTasks(Part):
    """The mean over test tasks, each measured with the genotype that it decoded to (the paper's protocol)."""

    tasks: Count
    mean: Share
    interval: Share
    per_task: tuple[TaskAccuracy, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class SetAside(Part):
    """A unit without a result, because of this error: on a cluster, that of each try. `name`: a genotype's digest, a
    network's name, or the path of a task folder."""

    name: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Until(Part):
    """A run that went on by itself (`--until`), up to a half-width of its interval of at most `asked`, a share of 1.
    `ended`: reached; out of reach of what it was given; or set aside, where some of its networks were. `looks` is how
    often it looked at the interval. The first look expected the half-width `interval` from so many `genotypes`, `seeds`
    and test `tasks`, after `seconds` more."""

    asked: Share
    ended: str
    looks: Some
    genotypes: Some | None = None
    seeds: Some | None = None
    tasks: Some | None = None
    seconds: Seconds | None = None
    interval: Share | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork(Part):
    """One network of a result: its genotype's digest, or its name; how many tasks decoded to it (`count`); its test
    accuracy; its best `validation` accuracy; its number of weights; and on how many tasks it was trained."""

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
    """The accuracy of one genotype on one task."""

    digest: str
    accuracy: Share


@dataclass(frozen=True, kw_only=True)
class GrownLevel(Part):
    """The cells of one size that `tnas grow` trained, of `considered` ones: the `best` accuracy on validation tasks
    with the `digest` of its cell, the `mean`, and the mean of what was `predicted`, which is nothing for one node."""

    nodes: Some
    considered: Some
    trained: Some
    best: Share
    mean: Share
    predicted: float | None = None
    digest: str


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


@dataclass(frozen=True, kw_only=True)
class PlannedCost(Part):
    """What `genotypes` trainings of `tasks` tasks each cost, with what was measured of one: hours of single cores, the
    time that passes, and the price where one of a core hour was given."""

    genotypes: Count
    tasks: Count
    core_hours: Quantity
    seconds: Seconds
    price: Quantity | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedBytes(Part):
    """What trainings write and read: `checkpoint` for each network every minute; `storage` stays in the run's folder;
    `traffic` goes from and to all workers of a cluster, or is None without one."""

    checkpoint: Count
    storage: Count
    traffic: Count | None = None
