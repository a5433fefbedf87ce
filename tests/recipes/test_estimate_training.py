"""What `tnas train-eval --dry-run` says: of trainings here, on a cluster, and of inherited weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import succeeding, tnas
from tnas_cli.recipes.estimate_training import PAPER_GENOTYPES, PAPER_TASKS, Bill

CPU = torch.device("cpu")
ESTIMATE = ("train-eval", "-", *TRAINING, *TESTING, "--dry-run")


def estimated(pipeline: Pipeline, *more: str | int) -> dict[str, Any]:
    ran = succeeding(*ESTIMATE, *pipeline.here, "--json", *more, stdin=pipeline.decoded.stdout)
    return ran.result


def test_ten_trainings_by_four_workers_take_three_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr("tnas_cli.recipes.estimate_training.SECONDS_PER_UNIT", 2)
    monkeypatch.setattr("tnas_cli.recipes.estimate_training.SECONDS_TO_START", 7)
    cost = Bill(workers=4, price=0.5).of(10, 300, 360.0, 4, CPU)
    assert (cost.genotypes, cost.tasks, cost.seconds) == (10, 300, 7 + 3 * (360 + 2))
    assert (cost.core_hours, cost.price) == (1.0, 0.5)


def test_a_time_limit_bounds_what_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    whole, half = (Bill(price=1.0).of(10, 300, 360.0, 1, CPU, most) for most in (4000.0, 1800.0))
    assert (whole.seconds, whole.core_hours, whole.price) == (3600, 2.0, 2.0)
    assert (half.seconds, half.core_hours, half.price) == (1800, 1.0, 1.0)


def test_workers_share_the_networks(pipeline: Pipeline) -> None:
    result = estimated(pipeline, "--workers", 40, "--price", 0.04)
    assert (result["workers"], result["side_by_side"], result["genotypes"]) == (40, 2, 2)
    cost, paper, tenth = result["cost"], result["paper_cost"], result["tenth_cost"]
    assert result["total_seconds"] == cost["seconds"]
    assert (paper["genotypes"], paper["tasks"]) == (PAPER_GENOTYPES, PAPER_TASKS)
    assert (tenth["genotypes"], tenth["tasks"]) == (PAPER_GENOTYPES, PAPER_TASKS // 10)
    for planned in (cost, paper, tenth):
        assert planned["price"] == pytest.approx(0.04 * planned["core_hours"])
    steps = PAPER_GENOTYPES * PAPER_TASKS / 2 * result["seconds_per_step"] / 3600  # meta-batches of two
    assert paper["core_hours"] == pytest.approx(steps, rel=0.2)
    assert 9 < paper["core_hours"] / tenth["core_hours"] < 10.1
    # All 40 work on the paper's cell.
    assert paper["seconds"] == pytest.approx(paper["core_hours"] * 3600 / 40, rel=0.01)


def test_a_time_limit_is_refused_as_on_a_cluster(pipeline: Pipeline) -> None:
    ran = tnas(*ESTIMATE, "--workers", 2, "--hours", 1, *pipeline.here, stdin=pipeline.decoded.stdout)
    assert ran.code == 2 and "--hours has no effect on several trainings with --workers" in ran.stderr


def test_the_bytes_are_those_of_a_run(pipeline: Pipeline) -> None:
    result = estimated(pipeline, "--limit", 1)
    digest = pipeline.trained.result["per_genotype"][0]["digest"]
    last = Path(pipeline.trained.result["run"]) / digest / "last.pt"
    assert result["bytes"]["checkpoint"] == pytest.approx(last.stat().st_size, rel=0.05)
    assert 2 * result["bytes"]["checkpoint"] <= result["bytes"]["storage"] < 3 * result["bytes"]["checkpoint"]
    assert "traffic" not in result["bytes"]
    (data,) = pipeline.cache.glob("shapes-*.h5")
    images = data.stat().st_size
    assert estimated(pipeline, "--workers", 2)["bytes"]["traffic"] > 2 * images


def test_inherited_weights_are_estimated_without_a_run(pipeline: Pipeline, tmp_path: Path) -> None:
    words = ("train-eval", "-", "--weights", "inherited", "--checkpoint", pipeline.best, *TRAINING, "--dry-run")
    words = (*words, "--runs", tmp_path / "runs", *pipeline.here)
    ran = succeeding(*words, "--json", "--price", 1, stdin=pipeline.decoded.stdout)
    assert not (tmp_path / "runs").exists()
    result = ran.result
    assert (result["dry_run"], result["cost"]["tasks"], "paper_cost" in result) == (True, 4, False)
    assert result["cost"]["price"] == pytest.approx(result["cost"]["core_hours"])
    assert result["total_seconds"] > result["steps"] * result["seconds_per_step"] > 0
    # Four own tasks and, each of them, on a neighbour's on both sides.
    crossed = succeeding(*words, "--json", "--cross", 1, stdin=pipeline.decoded.stdout).result
    testing = [found["total_seconds"] - found["steps"] * found["seconds_per_step"] for found in (result, crossed)]
    assert testing[1] > testing[0]


def test_a_person_reads_what_it_costs(pipeline: Pipeline) -> None:
    ran = tnas(*ESTIMATE, "--workers", 3, "--price", 0.04, *pipeline.here, stdin=pipeline.decoded.stdout)
    lines = dict(line.split("   ", 1) for line in ran.stdout.splitlines() if "   " in line)
    assert "2 at a time, by 3 workers" in lines["networks"]
    assert "core hours, price " in lines["cost"]
    assert "600 x 300,000 tasks" in ran.stdout and "600 x 30,000 tasks" in ran.stdout
    assert "in the run's folder" in lines["storage"]
