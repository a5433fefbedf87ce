"""What `train-eval` trains, from the record that names it: a genotype's network, or a fixed one to compare with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tnas_cli.engines.interface import Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import SettingsError, did_you_mean
from tnas_cli.methods.registry import training_method
from tnas_cli.recipes.few_shot_result import Summary
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records.kinds import Decoded, FixedNetwork, Record
from tnas_cli.records.parts import Amount, TrainedNetwork
from tnas_cli.runs import events
from tnas_cli.settings.features import INNER_LOOP
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.architecture import Architecture, architecture, build_network
from tnas_cli.spaces.networks import SHORT, fixed_network, names
from tnas_cli.spaces.registry import USUAL

TrainableRecord = Decoded | FixedNetwork


@dataclass(frozen=True)
class Trainable:
    """A network before its data set is known: a genotype under its digest, or a fixed network under its name."""

    name: str
    genotype: Architecture | None

    @classmethod
    def of(cls, record: TrainableRecord) -> Trainable:
        """What a record names; raises GenotypeError for what does not exist."""
        if isinstance(record, Decoded):
            genotype = architecture(record.genotype)
            return cls(genotype.digest, genotype)
        return cls(fixed_network(record.network).name, None)

    def build(self, settings: TrainSettings, image_channels: int, size: int) -> Network:
        """The network for the settings' way, and images of so many channels and pixels of a side."""
        network: Network
        if self.genotype is None:
            network = fixed_network(self.name).build(settings.way, image_channels, size)
        else:
            network = build_network(self.genotype, settings.way, image_channels, settings.channels)
        adapts = INNER_LOOP in training_method(settings.method).about.reads
        if not adapts or settings.statistics != "task":
            return network
        from tnas_cli.spaces.task_norm import TaskNormed

        return TaskNormed(network)

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> Trainable:
        """From what a checkpoint says of it; raises KeyError, and GenotypeError for what does not exist."""
        if "genotype" not in about:
            return cls(fixed_network(about["network"]).name, None)
        genotype = architecture(about["genotype"])
        return cls(genotype.digest, genotype)

    def to_json(self) -> dict[str, Any]:
        """What a checkpoint says of it."""
        return {"network": self.name} if self.genotype is None else {"genotype": self.genotype.to_json()}


def read_trainables(
    source: str,
    stdin: str | None = None,
    max_skips: int | None = None,
    listener: events.Listener = events.ignore,
) -> list[TrainableRecord]:
    """A FixedNetwork if `source` names one (4conv, resnet12-16, ...); otherwise what `read_genotypes` reads.

    Raises SettingsError for 4CONV or ResNet-12 with another number of filters, and for a network with `max_skips`;
    GenotypeError for a network of another package that is broken.
    """
    name = SHORT.get(source, source)
    if name in names():
        if max_skips is not None:
            raise SettingsError(f"--max-skips has no meaning for {name}.", hint="leave it out")
        return [FixedNetwork(network=name, channels=fixed_network(name).channels)]
    if re.fullmatch(r"(4conv|resnet12|resnet12-mtl)[-_]?\d+", source):
        raise SettingsError(f"there is no network {source!r}.", hint=did_you_mean(source, (*SHORT, *names())))
    return [*read_genotypes(source, stdin, max_skips, listener)]


def trainables(records: Sequence[Record]) -> list[TrainableRecord]:
    """Those of the records that name something to train; others have no place in a run's folder."""
    return [record for record in records if isinstance(record, Decoded | FixedNetwork)]


def network_of(records: Sequence[TrainableRecord]) -> str | None:
    """The name of the one network that is trained, or None for genotypes; raises SettingsError for a mixture."""
    names = {record.network if isinstance(record, FixedNetwork) else None for record in records}
    if len(names) > 1:
        listed = " and ".join(sorted(name or "genotypes" for name in names))
        raise SettingsError(f"{listed} cannot be trained in one call.", hint="call tnas train-eval once for each")
    return next(iter(names), None)


def found_by(records: Sequence[Decoded]) -> str:
    """The method that found genotypes; 'mixed' for several, 'genotype' if none is named."""
    methods = {record.method or "genotype" for record in records}
    return methods.pop() if len(methods) == 1 else "mixed"


def search_budget(records: Sequence[TrainableRecord]) -> Amount | None:
    """The number of tasks of the search that found the first genotype."""
    first = records[0]
    if not isinstance(first, Decoded) or first.search_tasks is None:
        return None
    return Amount(amount=first.search_tasks, unit="tasks")


def max_skips_of(records: Sequence[TrainableRecord]) -> int | None:
    """The limit of skip connections per cell with which all genotypes were decoded; None if they differ."""
    limits = {record.max_skips if isinstance(record, Decoded) else None for record in records}
    return limits.pop() if len(limits) == 1 else None


def space_of(records: Sequence[TrainableRecord]) -> str:
    """The space of all genotypes, 'mixed' for several; the default space for networks that are not genotypes."""
    spaces = {record.space for record in records if isinstance(record, Decoded)}
    return "mixed" if len(spaces) > 1 else next(iter(spaces), USUAL)


def kinds_without_weights(records: Sequence[TrainableRecord]) -> dict[str, dict[str, int]]:
    """`skip_connections` and `pools` of every genotype, by its digest."""
    found = {trainable.name: trainable.genotype for trainable in map(Trainable.of, records)}
    return {name: genotype.without_weights for name, genotype in found.items() if genotype is not None}


def with_counts(records: Sequence[TrainableRecord], summary: Summary) -> Summary:
    """The same numbers, with `skip_connections` and `pools` in every row that names a genotype of `records`."""
    kinds = kinds_without_weights(records)

    def counted(row: TrainedNetwork) -> TrainedNetwork:
        found = kinds.get(row.digest, {})
        return replace(row, skip_connections=found.get("skip_connections"), pools=found.get("pools"))

    rows = tuple(map(counted, summary.per_genotype))
    return replace(summary, per_genotype=rows, selected=counted(summary.selected))


def own_tasks(records: Sequence[TrainableRecord], settings: TrainSettings, cache: ImageCache) -> dict[str, list[int]]:
    """The indices of the stored test tasks that decoded to each genotype, by its digest."""
    own: dict[str, list[int]] = {}
    for record in records:
        index = own_task(record, settings, cache)
        if index is not None:
            own.setdefault(Trainable.of(record).name, []).append(index)
    return own


def own_task(record: TrainableRecord, settings: TrainSettings, cache: ImageCache) -> int | None:
    """The index of the stored test task that decoded to a genotype, or None."""
    if not isinstance(record, Decoded) or record.task is None:
        return None
    task = record.task
    theirs = (task.dataset, task.protocol, task.split, record.way, record.shot)
    same = theirs == (cache.dataset, cache.protocol, "test", settings.way, settings.shot)
    return task.index if same else None
