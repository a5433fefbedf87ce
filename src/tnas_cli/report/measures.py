"""What a column's numbers are, and how each is read from a result, in the paper's unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tnas_cli.records.results import Measured, TransferResult
from tnas_cli.report.measured import accuracy_of, has_interval

Reading = Callable[[Measured], float | None]


@dataclass(frozen=True)
class Measure:
    """A quantity; `digits` is the format of its numbers. `points` says whether it is a percentage with an interval."""

    unit: str
    value: Reading
    digits: str
    points: bool = False

    def interval(self, m: Measured) -> float | None:
        """Half-width of the 95% interval, for what has one."""
        return 100 * accuracy_of(m).interval if self.points and has_interval(m) else None

    def text(self, value: float) -> str:
        """The number for a person."""
        return format(value, self.digits)


def _top_5_error(m: Measured) -> float | None:
    top5 = m.top5_mean if isinstance(m, TransferResult) else None
    return None if top5 is None else 100 * (1 - top5)


def _search_minutes(m: Measured) -> float | None:
    return None if m.search_seconds is None else m.search_seconds / 60


def _gpu_days(m: Measured) -> float | None:
    # A CPU day is not a GPU day: CPU time is only in the note. A GPU is recorded by its model's name.
    on_gpu = m.environment.device not in (None, "cpu", "mps")
    return m.search_seconds / 86_400 if on_gpu and m.search_seconds is not None else None


def _million_parameters(m: Measured) -> float | None:
    return None if m.parameters_mean is None else m.parameters_mean / 1e6


MEASURES = {
    "accuracy": Measure("percent", lambda m: 100 * accuracy_of(m).mean, ".2f", points=True),
    "error": Measure("percent", lambda m: 100 * (1 - accuracy_of(m).mean), ".2f", points=True),
    "top-5 error": Measure("percent", _top_5_error, ".2f"),
    "search minutes": Measure("minutes", _search_minutes, ".3g"),
    "million parameters": Measure("million", _million_parameters, ".3g"),
    "GPU days": Measure("GPU days", _gpu_days, ".2g"),
}
