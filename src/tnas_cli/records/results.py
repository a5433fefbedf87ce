"""The last line of a command: what it did and, for a measured accuracy, everything needed to judge the number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, Seconds, Share, Some, Way, flat, given
from tnas_cli.records.kinds import VERSION, Record
from tnas_cli.records.parts import (
    Accuracy,
    Budget,
    CountedFor,
    Coverage,
    Environment,
    GrownLevel,
    OtherAnswers,
    OwnTasks,
    Preparation,
    SetAside,
    SupervisedTask,
    TaskAccuracy,
    TrainedNetwork,
    Until,
)


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """The result of one `command`. `argv` is the command line that it was called with, the program's name first.
    `again`: the run was finished before, and this is its earlier result again."""

    event = "result"
    command: ClassVar[str] = ""
    further: ClassVar[Mapping[str, object]] = {}

    argv: tuple[str, ...] | None = None
    again: bool = False

    @property
    def complete(self) -> bool:
        """Whether a run with this result has nothing left to do."""
        return True

    def __init_subclass__(cls) -> None:
        cls.constants = {"event": cls.event, "version": VERSION, "command": cls.command, **cls.further}


@dataclass(frozen=True, kw_only=True)
class OverSeeds(Part):
    """Keys of a result that summarises several runs, one for each of `seeds`; `spread_over_seeds` is the standard
    deviation of their means."""

    runs: tuple[str, ...] | None = None
    seeds: tuple[int, ...] | None = None
    mean_over_seeds: Share | None = None
    spread_over_seeds: Seconds | None = None


@dataclass(frozen=True, kw_only=True)
class Measured(OverSeeds, Result):
    """A result with an accuracy. `mean` and the half-width of its 95% `interval` are shares of 1; both are null where
    no query image is labelled. `interval_over` names what else the interval allows for, beyond what was measured: other
    tasks, genotypes, seeds; it is null for other tasks alone, in the transfer setting for other images alone.

    `setting` is the paper's: few-shot, supervised or transfer. `method` found the architectures (or trained the fixed
    network), `training` trained the weights, `title` is what the method calls its result. `network` is the name of a
    network that is not a genotype. `weights` are from-scratch or inherited. `transductive`: whether an answer used the
    other query images. `ece` is the expected calibration error of the answers' probabilities (15 bins), as a share.

    `budget` is how much the search and the training had; `wall_seconds` is the time of this call (`resumed`: it
    continued an earlier one), `search_seconds` the time to search one architecture, and `search_seconds_before` the
    time spent before that, on other tasks. `order` of the meta-gradient is first, second or annealed. `head` is zero
    where each task began with a linear layer of zeros. `paths` is given or random where inherited weights were
    meta-trained along such genotypes. `parameters_mean` is the mean number of weights, counted for `counted_for`. For
    several seeds, `mean` is over their runs, and the `interval` is for other seeds, too.
    """

    setting: ClassVar[str] = "few-shot"

    run: str | None
    method: str
    network: str | None
    dataset: str | None
    protocol: str | None
    fingerprint: str | None
    split: str | None
    way: int | None
    shot: int | None
    query: int | None
    tasks: int | None
    mean: Share | None
    interval: Share | None
    ece: Share | None = None
    transductive: bool
    weights: str
    seed: int
    budget: Budget = given(missing=Budget())
    wall_seconds: Seconds | None
    engine: str | None
    environment: Environment = flat()
    title: str | None = None
    training: str | None = None
    order: str | None = None
    head: str | None = None
    paths: str | None = None
    genotypes: Count | None = None
    genotypes_trained: Count | None = None
    parameters_mean: Seconds | None = None
    counted_for: CountedFor | None = None
    max_skips: Count | None = None
    members: Some | None = None
    search_seconds: Seconds | None = None
    search_seconds_before: Seconds | None = None
    preparation: Preparation | None = None
    space: str = "darts"
    interval_over: tuple[str, ...] | None = None

    def __init_subclass__(cls) -> None:
        cls.constants = {"event": cls.event, "version": VERSION, "command": cls.command, "setting": cls.setting}

    @property
    def covered(self) -> str:
        """What the interval is over, in words: 'tasks', 'genotypes and tasks', 'genotypes, seeds and tasks'."""
        names = self.interval_over or (("images",) if self.setting == "transfer" else ("tasks",))
        return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@dataclass(frozen=True, kw_only=True)
class AdaptResult(Measured):
    """Search networks, or trained ones, adapted to tasks. For task folders, `dataset`, `protocol`, `split` and `query`
    are null. Tasks of a data set are answered both ways: for `inductive` an answer used the support set and the image
    alone, and the adapted linear layer or the class means gave it (`classifier`, 'linear' or 'means'). `others`
    answered the same images: the nearest neighbour in pixels, and a frozen network. `expected` is what validation tasks
    say of answers with at least the probability `reject`. `set_aside` are task folders that cannot be used, or
    failed on a cluster."""

    command = "adapt"

    tasks: Count
    inductive: Accuracy | None = None
    classifier: str | None = None
    reject: Share | None = None
    expected: Coverage | None = None
    others: tuple[OtherAnswers, ...] = ()
    set_aside: tuple[SetAside, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TrainResult(Measured):
    """Networks trained on tasks: from scratch, or with the weights of the search (`training_seconds` is then what its
    one meta-training took).

    `mean` is over genotypes and test tasks, a genotype weighted by how many tasks decoded to it (`count`). `inductive`
    is the same where an answer used the support set and the image alone; `classifier` gave it, 'linear' or 'means', or
    'mixed' for several genotypes. `selected` is the genotype with the best validation accuracy.
    `own_tasks` has each genotype on the test tasks that decoded to it. Of the `genotypes`, `genotypes_distinct` are
    different ones, and `genotypes_trained` were trained, within `hours` (null: no limit), `side_by_side` at a time. For
    inherited weights, `per_task` replaces `per_genotype`, unless `--all-tasks` was given; `crossed` has genotypes on
    the tasks of others (`--cross`), and `in_place` other genotypes on the same tasks: `random`, another one for each
    task, and `theta~`, the one genotype that the search's theta decodes to before it adapts. A fixed network takes the
    place of a genotype, with its name as `digest`. `set_aside` are those that failed on a cluster. `until`: how far the
    run went by itself, and why it ended.
    """

    command = "train-eval"

    dataset: str
    protocol: str
    split: str
    way: Way
    shot: Some
    query: Count
    tasks: Some
    mean: Share
    interval: Share
    inductive: Accuracy | None = None
    classifier: str | None = None
    selected: TrainedNetwork | None = None
    own_tasks: OwnTasks | None
    per_genotype: tuple[TrainedNetwork, ...] | None = None
    per_task: tuple[TaskAccuracy, ...] | None = None
    crossed: tuple[TaskAccuracy, ...] | None = None
    in_place: Mapping[str, tuple[TaskAccuracy, ...]] | None = None
    genotypes_distinct: Count | None = None
    side_by_side: Count | None = None
    set_aside: tuple[SetAside, ...] | None = None
    hours: Seconds | None
    validation: float | None = None
    training_seconds: Seconds | None = None
    resumed: bool = given(missing=False)
    means: tuple[Share, ...] | None = None
    nearest_neighbour: Share | None = None
    until: Until | None = None

    @property
    def complete(self) -> bool:
        return not self.set_aside


@dataclass(frozen=True, kw_only=True)
class SupervisedResult(Measured):
    """Section 5.3: each genotype of each task trained from scratch on the task's support set. `set_aside` are genotypes
    that failed on a cluster."""

    command = "supervised"
    setting = "supervised"

    dataset: str
    protocol: str
    split: str
    way: Way
    shot: Some
    query: Count
    tasks: Some
    mean: Share
    interval: Share
    per_task: tuple[SupervisedTask, ...] | None = None
    search_seconds: Seconds | None = given(missing=None)
    search_seconds_before: Seconds | None = given(missing=None)
    channels: Some | None = None
    set_aside: tuple[SetAside, ...] | None = None
    resumed: bool = given(missing=False)

    @property
    def complete(self) -> bool:
        return not self.set_aside


@dataclass(frozen=True, kw_only=True)
class TransferResult(Measured):
    """Appendix D: cells trained on a data set with labels. There are no tasks; the interval is over `images`.
    `set_aside` are cells that failed on a cluster."""

    command = "transfer"
    setting = "transfer"

    dataset: str
    protocol: str = given(missing="images")
    split: str = given(missing="test")
    way: None = None
    shot: None = None
    query: None = None
    tasks: None = None
    mean: Share
    transductive: bool = given(missing=False)
    name: str | None = None
    train_split: str | None = None
    images: Some | None = None
    top5_mean: Share | None = None
    per_genotype: tuple[TrainedNetwork, ...] | None = None
    layers: Some | None = None
    channels: Some | None = None
    set_aside: tuple[SetAside, ...] | None = None
    resumed: bool = given(missing=False)

    @property
    def complete(self) -> bool:
        return not self.set_aside


@dataclass(frozen=True, kw_only=True)
class SearchResult(OverSeeds, Result):
    """A meta-architecture that was learned: `checkpoint` is the best by validation tasks.

    `tasks_this_time` counts the tasks of the last call. The numbers about theta are those of the best checkpoint: its
    largest probabilities before and after adapting to validation tasks, how many genotypes these tasks decode to, and
    the shares of skip connections and pools among their edges, with a `warning` if few edges have weights. `halvings`:
    how often the inner rates were halved (`--on-divergence halve`). For several seeds it is the result of the run with
    the best validation accuracy, with the `checkpoints` and `validation_accuracies` of all runs.
    """

    command = "search"

    run: str | None
    checkpoint: str
    method: str
    dataset: str
    protocol: str
    fingerprint: str | None
    way: Way
    shot: Some
    seed: int
    tasks: Count
    tasks_this_time: Count | None
    hours: Seconds | None
    validation_accuracy: float
    validation_tasks: Count | None
    theta_largest_probability: Share | None
    theta_mean_largest_probability: Share | None
    adapted_mean_largest_probability: Share | None
    distinct_genotypes: Count | None
    skip_share: Share | None
    pool_share: Share | None
    warning: str | None
    wall_seconds: Seconds | None
    resumed: bool = given(missing=False)
    engine: str | None
    environment: Environment = flat()
    title: str | None = None
    preparation: Preparation | None = None
    checkpoints: tuple[str, ...] | None = None
    validation_accuracies: tuple[float, ...] | None = None
    space: str = "darts"
    halvings: Count = 0


@dataclass(frozen=True, kw_only=True)
class GrowResult(Result):
    """The cell that grew best (`tnas grow`): its genotype is in the file `path`, chosen by validation tasks among all
    cells of its size that were trained. `trained_by` names the method that trained each of the `trained` cells, on so
    many `tasks`; `training_seconds` add up over them. `set_aside` are cells that failed on a cluster."""

    command = "grow"

    run: str
    path: str
    method: str
    title: str | None
    trained_by: str
    dataset: str
    protocol: str
    fingerprint: str
    way: Way
    shot: Some
    seed: int
    space: str
    nodes: Some
    digest: str
    darts: str
    validation_accuracy: Share
    validation_tasks: Count
    tasks: Count
    trained: Some
    levels: tuple[GrownLevel, ...]
    set_aside: tuple[SetAside, ...] | None = None
    training_seconds: Seconds
    wall_seconds: Seconds
    resumed: bool
    engine: str
    environment: Environment = flat()

    @property
    def complete(self) -> bool:
        return not self.set_aside
