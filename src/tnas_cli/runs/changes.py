"""What may change when a run continues; everything else stays as it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """hours: a new limit for the run's whole time, earlier calls included (0: none). side_by_side: networks trained at
    a time. until: a new half-width to go on to. Where it computes and where its data lies may change too: that is the
    `Machine` of the call.
    """

    hours: float | None = None
    side_by_side: int | None = None
    until: float | None = None

    @property
    def named(self) -> dict[str, float]:
        """The changes that are asked for, by name."""
        every = {"hours": self.hours, "side_by_side": self.side_by_side, "until": self.until}
        return {name: value for name, value in every.items() if value is not None}


#: Nothing is changed.
NONE = Changes()
