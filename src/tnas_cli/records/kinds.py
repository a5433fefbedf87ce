"""The records that pass between commands and lie in run directories, except results: one class per event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tnas_cli.records.codec import Part
from tnas_cli.records.fields import Count, GenotypeJson, Seconds, Share, Some, Theta, Way, flat, given
from tnas_cli.records.parts import CountedFor, DataFacts, Inner, Prediction, Preparation, ShotAccuracy, TaskName

#: The version of every record that is written.
VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Record(Part):
    """One line of JSON. `event` names its kind."""

    event: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.constants = {"event": cls.event, "version": VERSION}


@dataclass(frozen=True, kw_only=True)
class Adapted(Record):
    """A task that `tnas adapt` adapted to; one per task. A record that was made by hand needs only `theta`.

    The checkpoint: `checkpoint` is the file that was adapted. The search of `run` with `method` and `seed` wrote it
    after `search_tasks` tasks of the images in `data`. `channels` is the width of its normal cell, `space` the search
    space. A network that was trained instead has a name (`network`; for a genotype its digest) and a `training` method.

    The task: `task` names it. `way` and `shot` are its own (`shot` is a list if the classes differ). `preparation` says
    how its images were prepared for the network, `query` is the number of query images, `classes` are the class names
    of a task folder.

    The outcome: `support_losses` before each inner step and after the last one; `theta`, 2 x 14 x 8 numbers in DARTS's
    space (normal and reduction cell, edges as in DARTS, operations in the order of method.md), null for a network
    without theta; `theta_mean_largest_probability` (0.125 is uniform there, 1 is decided); `skip_connections` and
    `pools` among the decoded edges; `accuracy` on the query images, if they are labelled; `transductive`, whether an
    answer used the other query images; `members`, the number of checkpoints that answered together; `predictions` for
    the query images of task folders. Tasks of a data set are answered both ways: for `inductive_accuracy` an answer
    used the support set and the image alone. `classifier` gave such answers: the adapted linear layer ('linear') or the
    means of the support images' features ('means'); null for methods that compare images in their own way.
    `nearest_neighbour` is the accuracy of the nearest support image in
    pixels, `beside_accuracy` that of the frozen network that was asked too (`--beside`). With `--every-step`:
    `support_accuracies` and `query_accuracies` before each step and after the last one; the last of `query_accuracies`
    is `accuracy`.
    """

    event = "adapted"

    task: TaskName = given(missing=TaskName())
    checkpoint: str | None
    run: str | None
    method: str | None
    training: str | None = None
    network: str | None = None
    seed: int | None
    data: DataFacts | None
    way: Way | None
    shot: Some | tuple[Some, ...] | None
    channels: Some | None
    search_tasks: Count | None
    inner: Inner | None
    support_losses: tuple[float, ...] = given(missing=())
    theta: Theta | None
    theta_mean_largest_probability: Share | None
    skip_connections: Count | None
    pools: Count | None
    accuracy: Share | None
    inductive_accuracy: Share | None = None
    classifier: str | None = None
    nearest_neighbour: Share | None = None
    beside_accuracy: Share | None = None
    query: Count | None
    classes: tuple[str, ...] | None = None
    predictions: tuple[Prediction, ...] | None = None
    support_accuracies: tuple[Share, ...] | None = None
    query_accuracies: tuple[Share, ...] | None = None
    members: Some | None = None
    preparation: Preparation | None = None
    transductive: bool | None = None
    space: str = "darts"


@dataclass(frozen=True, kw_only=True)
class Predicted(Record):
    """An image that `tnas predict` answered for: its class and the runner-up, each with its probability.

    The answer depends on the adapted model and this image alone. `unsure`: the probability is below what was asked for
    (`--reject`).
    """

    event = "predicted"

    image: str
    class_: str
    probability: Share
    runner_up: str
    runner_up_probability: Share
    unsure: bool = False


@dataclass(frozen=True, kw_only=True)
class Decoded(Record):
    """A genotype, from `tnas decode`; one per task. A record that was made by hand needs only `genotype`.

    `genotype` is {"normal": [[operation, source], ...], "reduce": ...} (cells outside of the search space also have
    `normal_concat` and `reduce_concat` in it). `darts` is the same in DARTS's notation, `digest` its short name.
    `parameters` is the number of weights of its network; `counted_for` says which network that is (records of earlier
    versions may have null for both). `skip_connections` and `pools` are counted over the edges of both cells.
    `max_skips` is the limit of skip connections in each cell. `name` is that of a published genotype. The other keys
    are those of the record or checkpoint that it was decoded from.
    """

    event = "genotype"

    digest: str = given(missing="")
    genotype: GenotypeJson
    darts: str = given(missing="")
    parameters: Count | None
    skip_connections: Count | None
    pools: Count | None
    counted_for: CountedFor | None = None
    name: str | None = None
    task: TaskName | None = None
    run: str | None = None
    method: str | None = None
    seed: int | None = None
    data: DataFacts | None = None
    way: Way | None = None
    shot: Some | tuple[Some, ...] | None = None
    channels: Some | None = None
    search_tasks: Count | None = None
    max_skips: Count | None = None
    space: str = "darts"


@dataclass(frozen=True, kw_only=True)
class ModelCard(Record):
    """A model that comes with tnas, from `tnas models`.

    `title` says what it is. It learned from images of `size` pixels and `image_channels` (1 is gray) of the training
    classes of `dataset`, by `commands`, in `seconds` on a `processor`; `tasks` are those that its weights were trained
    on. `accuracy` is on test classes that it never saw. `fit_for` and `not_for` name images. `bytes` and `sha256` are
    those of its file.
    """

    event = "model"

    name: str
    title: str
    method: str
    dataset: str
    protocol: str
    licence: str
    size: Some
    image_channels: Some
    tasks: Count
    commands: tuple[str, ...]
    seconds: Seconds
    processor: str
    accuracy: tuple[ShotAccuracy, ...]
    fit_for: str
    not_for: str
    bytes: Count
    sha256: str


@dataclass(frozen=True, kw_only=True)
class FixedNetwork(Record):
    """A network that is not a genotype; `channels` is the number of its filters."""

    event = "network"

    network: str
    channels: Some | None = None


@dataclass(frozen=True, kw_only=True)
class Step(Record):
    """Values of a training at one moment, by name: `loss`, `accuracy`, `tasks/s`, ...; each is a key of its own.

    `tasks` is the number of tasks done; the transfer setting counts `batches` instead. A search has four more values:
    `theta` (mean of the edges' largest probabilities of theta~), `entropy` (1 is uniform), and `skips` and `pools` of
    the edges that theta~ decodes to.
    """

    event = "step"

    stage: str
    tasks: Count | None = None
    batches: Count | None = None
    values: Mapping[str, float] = flat()

    @property
    def done(self) -> int:
        """How many tasks or batches."""
        return self.tasks if self.tasks is not None else self.batches or 0

    @property
    def unit(self) -> Literal["tasks", "batches"]:
        """What was counted."""
        return "tasks" if self.batches is None else "batches"


@dataclass(frozen=True, kw_only=True)
class Validated(Record):
    """A validation: accuracy and the half-width of its 95% interval over validation tasks (in the transfer setting:
    over images)."""

    event = "validated"

    stage: str
    tasks: Count | None = None
    batches: Count | None = None
    accuracy: Share
    interval: Share = given(missing=0.0)

    @property
    def done(self) -> int:
        """How many tasks or batches."""
        return self.tasks if self.tasks is not None else self.batches or 0

    @property
    def unit(self) -> Literal["tasks", "batches"]:
        """What was counted."""
        return "tasks" if self.batches is None else "batches"


@dataclass(frozen=True, kw_only=True)
class Halved(Record):
    """A search diverged after `tasks` tasks and went back to the checkpoint of `back_to` tasks with half the inner
    rates: `alpha_inner` and `beta_inner` are the new ones, `reason` says what diverged."""

    event = "halved"

    tasks: Count
    back_to: Count
    alpha_inner: float
    beta_inner: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Unknown(Record):
    """A line of a kind that this tnas does not know; it is passed on as it is."""

    values: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """What was read."""
        return dict(self.values)
