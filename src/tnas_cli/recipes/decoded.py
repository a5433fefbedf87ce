"""The `genotype` record of an architecture: its forms, its number of weights, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from tnas_cli.records.kinds import Adapted, Decoded
from tnas_cli.records.parts import CountedFor, DataFacts, TaskName
from tnas_cli.spaces.architecture import Architecture, build_network
from tnas_cli.spaces.registry import USUAL, space
from tnas_cli.spaces.shapes import count

if TYPE_CHECKING:
    from torch import Tensor

#: The network whose weights are counted by default: five classes, colour images, and the paper's width.
WAY, IMAGE_CHANNELS, CHANNELS = 5, 3, 16


@dataclass(frozen=True)
class Origin:
    """What a genotype record takes over from the record or checkpoint that it was decoded from; `extra` are fields that
    this tnas does not know."""

    name: str | None = None
    task: TaskName | None = None
    run: str | None = None
    method: str | None = None
    seed: int | None = None
    data: DataFacts | None = None
    way: int | None = None
    shot: int | tuple[int, ...] | None = None
    channels: int | None = None
    search_tasks: int | None = None
    max_skips: int | None = None
    space: str = USUAL
    extra: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Adapted | Decoded, max_skips: int | None = None) -> Origin:
        """The origin that a record passes on."""
        values: dict[str, Any] = {f.name: getattr(record, f.name, None) for f in fields(cls)}
        if values["task"] == TaskName():
            values["task"] = None
        return cls(**values | ({} if max_skips is None else {"max_skips": max_skips}))

    @property
    def counted_for(self) -> CountedFor:
        """The network whose weights are counted."""
        colours = IMAGE_CHANNELS if self.data is None else self.data.channels
        return CountedFor(way=self.way or WAY, image_channels=colours, channels=self.channels or CHANNELS)

    def fields(self) -> dict[str, Any]:
        """The fields by name, as a record takes them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def decoded(genotype: Architecture, origin: Origin = Origin()) -> Decoded:
    """The record of an architecture."""
    origin = replace(origin, space=genotype.space)
    kinds = genotype.without_weights
    return Decoded(
        digest=genotype.digest,
        genotype=genotype.to_json(),
        darts=genotype.to_darts(),
        parameters=_weights(genotype, origin.counted_for),
        counted_for=origin.counted_for,
        skip_connections=kinds["skip_connections"],
        pools=kinds["pools"],
        **origin.fields(),
    )


def decoded_theta(theta: Tensor, origin: Origin) -> Decoded:
    """The record of what theta [2, edges, operations] of the origin's space decodes to, with at most `origin.max_skips`
    skip connections per cell."""
    return decoded(space(origin.space).decode(theta, origin.max_skips), origin)


def _weights(genotype: Architecture, of: CountedFor) -> int:
    return count(build_network(genotype, of.way, of.image_channels, of.channels).specs())
