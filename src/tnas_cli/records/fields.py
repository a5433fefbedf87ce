"""What a field of a record may hold: the ranges of numbers, and the two marks that a field can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeAlias

#: Numbers in a record are finite, and smaller than this.
LARGEST = 1e18


@dataclass(frozen=True)
class Range:
    """The least and the most that a number of a record may be."""

    least: float = -LARGEST
    most: float = LARGEST


#: A share of 1, as accuracies are.
Share: TypeAlias = Annotated[float, Range(0, 1)]
#: A number of things.
Count: TypeAlias = Annotated[int, Range(0)]
#: A number of things, at least one.
Some: TypeAlias = Annotated[int, Range(1)]
#: Classes of a task.
Way: TypeAlias = Annotated[int, Range(2)]
#: An amount of anything that can be divided.
Quantity: TypeAlias = Annotated[float, Range(0)]
#: A duration.
Seconds: TypeAlias = Annotated[float, Range(0)]
#: theta, [cells, edges, operations].
Theta: TypeAlias = tuple[tuple[tuple[float, ...], ...], ...]
#: A genotype as its space writes it: {"normal": [[operation, source], ...], "reduce": [...]}.
GenotypeJson: TypeAlias = Mapping[str, object]


def given(*, missing: object) -> Any:
    """A field that has to be given to make the record; a reader fills it with `missing` if it is absent."""
    return field(metadata={"missing": missing})


def flat() -> Any:
    """A part, or numbers by name, whose keys stand beside those of the record and not below a key of their own."""
    return field(metadata={"flat": True})
