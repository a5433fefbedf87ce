"""What `train-eval` trains, from the record that names it: a genotype's network, or 4CONV to compare with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tnas_cli.engines.interface import Network
from tnas_cli.episodes.cache import ImageCache
from tnas_cli.errors import GenotypeError, SettingsError, did_you_mean
from tnas_cli.recipes.genotype_source import read_genotypes
from tnas_cli.settings.few_shot import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.genotype import Genotype

Record = dict[str, Any]

#: The networks that are no genotypes, and their filters.
FILTERS = {"4conv-32": 32, "4conv-64": 64}

#: What a user may call them.
NAMES = {"4conv": "4conv-32"} | {name: name for name in FILTERS}


@dataclass(frozen=True)
class Trainable:
    """A network before its data set is known: a genotype under its digest, or 4CONV under its name."""

    name: str
    genotype: Genotype | None

    @classmethod
    def of(cls, record: Record) -> Trainable:
        """What a `genotype` or `network` record names; raises GenotypeError for what does not exist."""
        if "network" not in record:
            genotype = Genotype.from_json(record["genotype"])
            return cls(genotype.digest, genotype)
        if record["network"] not in FILTERS:
            raise GenotypeError(
                f"there is no network {record['network']!r}.", hint=did_you_mean(str(record["network"]), FILTERS)
            )
        return cls(record["network"], None)

    def build(self, settings: TrainSettings, cache: ImageCache) -> Network:
        """The network for the settings' way and the data set's images."""
        if self.genotype is None:
            return FourConv(settings.way, cache.channels, cache.size, FILTERS[self.name])
        return DecodedNetwork(self.genotype, settings.way, cache.channels, settings.channels)

    def to_json(self) -> Record:
        """What a checkpoint says of it."""
        return {"network": self.name} if self.genotype is None else {"genotype": self.genotype.to_json()}


def read_trainables(source: str, stdin: str | None = None, max_skips: int | None = None) -> list[Record]:
    """A `network` record for '4conv', '4conv-32' or '4conv-64'; everything else as `read_genotypes` reads it.

    Raises SettingsError for 4CONV with another number of filters, or with `max_skips`.
    """
    if source in NAMES:
        if max_skips is not None:
            raise SettingsError(f"--max-skips has no meaning for {NAMES[source]}.", hint="leave it out")
        name = NAMES[source]
        return [{"event": "network", "version": 1, "network": name, "channels": FILTERS[name]}]
    if re.fullmatch(r"4conv[-_]?\d+", source):
        raise SettingsError(f"there is no network {source!r}.", hint=did_you_mean(source, NAMES))
    return read_genotypes(source, stdin, max_skips)


def network_of(records: Sequence[Record]) -> str | None:
    """The name of the one network that is trained, or None for genotypes; raises SettingsError for a mixture."""
    names = {record.get("network") for record in records}
    if len(names) > 1:
        listed = " and ".join(sorted(name or "genotypes" for name in names))
        raise SettingsError(f"{listed} cannot be trained in one call.", hint="call tnas train-eval once for each")
    return next(iter(names), None)


def max_skips_of(records: Sequence[Record]) -> int | None:
    """The limit of skip connections per cell with which all genotypes were decoded; None where that is not one."""
    limits = {record.get("max_skips") for record in records}
    return limits.pop() if len(limits) == 1 else None


def rows_with_counts(records: Sequence[Record], measured: Record) -> Record:
    """The measured numbers, with `skip_connections` and `pools` in every row that names a genotype of `records`."""
    found = {trainable.name: trainable.genotype for trainable in map(Trainable.of, records)}
    counts = {name: genotype.without_weights for name, genotype in found.items() if genotype is not None}
    rows: Record = {
        name: [row | counts.get(row.get("digest"), {}) for row in measured[name]]
        for name in ("per_genotype", "per_task")
        if name in measured
    }
    if "selected" in measured:
        rows["selected"] = measured["selected"] | counts.get(measured["selected"]["digest"], {})
    return measured | rows


def own_task(record: Record, settings: TrainSettings, cache: ImageCache) -> int | None:
    """The index of the stored test task that decoded to a genotype, or None."""
    task = record.get("task") or {}
    theirs = (task.get("dataset"), task.get("protocol"), task.get("split"), record.get("way"), record.get("shot"))
    same = theirs == (cache.dataset, cache.protocol, "test", settings.way, settings.shot)
    return int(task["index"]) if same else None
