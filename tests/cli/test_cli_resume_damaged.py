"""`tnas resume` of folders whose files were changed: an error that names the file, and results with gaps are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fuzzing.examples import _run_file
from tests.report.results import a_result
from tests.running import tnas

RUN: dict[str, Any] = json.loads(_run_file())
NETWORK = {"digest": "x", "count": 2}
SEARCH = {"command": "search", "checkpoint": "best.pt", "validation_accuracy": 0.5, "tasks": 3}


def a_folder(tmp_path: Path, **changes: Any) -> Path:
    """The folder of a search with a changed run.json."""
    (tmp_path / "settings.toml").write_text('dataset = "nowhere"\n')
    (tmp_path / "run.json").write_text(json.dumps(RUN | changes))
    return tmp_path


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": True},
        {"settings": []},
        {"options": None},
        {"kind": ["search"]},
        {"kind": {}},
        {"fingerprint": 5},
        {"argv": [1]},
        {"argv": None},
        *({"machine": RUN["machine"] | {"threads": value}} for value in ("x", 1.5, True, [])),
        *({"machine": RUN["machine"] | {name: 5}} for name in ("device", "engine", "cache_root", "tensorboard")),
        {"machine": []},
        {"machine": RUN["machine"] | {"x": 1}},
    ],
)
def test_values_of_other_types(changes: dict[str, Any], tmp_path: Path) -> None:
    ran = tnas("resume", a_folder(tmp_path, **changes))
    assert (ran.code, "is not a run that can be continued" in ran.stderr) == (3, True), ran.stderr


@pytest.mark.parametrize(
    "result",
    [
        a_result(per_genotype=[NETWORK]),
        a_result(network="4conv", per_genotype=[NETWORK]),
        a_result(seeds=[0, 1], means=[0.5], runs=[]),
        a_result(**SEARCH),
        a_result(**SEARCH, seeds=[0, 1], runs=["a"]),
    ],
)
def test_results_with_gaps_are_shown(result: dict[str, Any], tmp_path: Path) -> None:
    (a_folder(tmp_path) / "result.json").write_text(json.dumps(result))
    ran = tnas("resume", tmp_path)
    assert ran.code == 0, ran.stderr


@pytest.mark.parametrize("copies", [0, 2])
def test_a_result_that_is_not_one_record_is_named(copies: int, tmp_path: Path) -> None:
    line = json.dumps(a_result(network="4conv", per_genotype=[NETWORK])) + "\n"
    (a_folder(tmp_path) / "result.json").write_text(copies * line or "[]\n")
    ran = tnas("resume", tmp_path)
    assert ran.code == 3
    assert f"holds {copies} records" in ran.stderr
