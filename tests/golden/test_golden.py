"""Searches, adaptations and trainings give the numbers of version 0.1.0, up to rounding in double precision."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.golden.numbers import ENGINES, numbers

GOLDEN = json.loads((Path(__file__).parent / "version_0_1.json").read_text(encoding="utf-8"))

found = cache(numbers)


@pytest.mark.parametrize("name", sorted(GOLDEN["torch"]))
@pytest.mark.parametrize("engine", ENGINES)
def test_the_numbers_of_version_0_1(engine: str, name: str) -> None:
    golden, ours = GOLDEN[engine][name], found(engine)[name]
    assert ours.keys() == golden.keys()
    for key, value in golden.items():
        if key.endswith("conv_bias"):
            # Batch norm takes it away again: its gradient is rounding, which differs between processors, and Adam makes
            # a whole step of it.
            continue
        assert flat(ours[key]) == pytest.approx(flat(value), rel=1e-9, abs=1e-9), key


def flat(value: Any) -> list[float]:
    """All numbers of nested lists."""
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [value]
