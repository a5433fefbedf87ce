"""Searches, adaptations and trainings give the numbers of version 0.1.0, up to rounding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.numbers import ENGINES, numbers

GOLDEN = json.loads((Path(__file__).parent / "version_0_1.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return numbers(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", sorted(GOLDEN["torch"]))
@pytest.mark.parametrize("engine", ENGINES)
def test_the_numbers_of_version_0_1(found: dict[str, Any], engine: str, name: str) -> None:
    golden = GOLDEN[engine][name]
    assert found[engine][name].keys() == golden.keys()
    for key, value in golden.items():
        assert flat(found[engine][name][key]) == pytest.approx(flat(value), rel=1e-5, abs=1e-5), key


def flat(value: Any) -> list[float]:
    """All numbers of nested lists."""
    return [number for part in value for number in flat(part)] if isinstance(value, list) else [value]
