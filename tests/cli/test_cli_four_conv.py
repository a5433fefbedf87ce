"""`tnas train-eval 4conv` as a user runs it, and what `tnas report` says of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import Ran, succeeding

#: 4CONV on the pipeline's images, one channel of 20 x 20 pixels.
WEIGHTS = 10 * 32 + 3 * (9 * 32 + 1) * 32 + 8 * 32 + 3 * 32 + 3


@pytest.fixture(scope="module")
def training(pipeline: Pipeline) -> tuple[str | int | Path, ...]:
    """The command, with a budget as small as the pipeline's."""
    return ("train-eval", "4conv", "--dataset", "shapes", "--way", 3, *TRAINING, *TESTING, *pipeline.here)


@pytest.fixture(scope="module")
def trained(training: tuple[str | int | Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return succeeding(*training, "--runs", tmp_path_factory.mktemp("runs"), "--json")


def test_the_result_names_method_and_network(trained: Ran) -> None:
    result = trained.result
    assert (result["method"], result["network"], result["weights"]) == ("maml", "4conv-32", "from-scratch")
    assert (result["way"], result["shot"], result["tasks"], result["parameters_mean"]) == (3, 1, 4, WEIGHTS)
    assert [row["digest"] for row in result["per_genotype"]] == ["4conv-32"]
    assert result["budget"] == {"training": {"amount": 4, "unit": "tasks", "each": "genotype"}}
    assert result["own_tasks"] is None
    run = Path(result["run"])
    assert run.name == "train-eval-shapes-3w1s-maml-1"
    assert (run / "4conv-32" / "best.pt").is_file()
    assert "channels = 32\n" in (run / "settings.toml").read_text()


def test_genotypes_name_no_network(pipeline: Pipeline) -> None:
    assert pipeline.trained.result["network"] is None


def test_the_table_names_the_network(training: tuple[str | int | Path, ...], tmp_path: Path) -> None:
    ran = succeeding(*training, "--runs", tmp_path)
    assert "network (MAML)" in ran.stdout
    assert "4conv-32" in ran.stdout
    assert f"{WEIGHTS:,}" in ran.stdout
    assert "training 4conv-32" in ran.stderr
    assert "4conv-32 trained from scratch on 4 tasks, " in ran.stderr
    assert "genotype" not in ran.stdout + ran.stderr


def test_the_cost_is_that_of_one_network(training: tuple[str | int | Path, ...], tmp_path: Path) -> None:
    result = succeeding(*training, "--runs", tmp_path, "--dry-run", "--json").result
    assert (result["dry_run"], result["parameters"], result["genotypes"]) == (True, WEIGHTS, 1)
    assert not list(tmp_path.iterdir())


def test_a_finished_run_is_read_again(pipeline: Pipeline, trained: Ran) -> None:
    again = succeeding("resume", trained.result["run"], "--json").result
    assert again["again"]
    for name in ("again", "argv"):
        again.pop(name)
    for key in ("mean", "interval", "network", "method", "per_genotype"):
        assert again[key] == trained.result[key]


def test_the_report_takes_it_for_maml_and_names_the_network(pipeline: Pipeline, trained: Ran) -> None:
    runs = (trained.result["run"], pipeline.trained.result["run"])
    text = succeeding("report", *runs, "--format", "markdown").stdout
    mean = f"{100 * trained.result['mean']:.2f}"
    (line,) = [line for line in text.splitlines() if line.startswith("| MAML, 4conv-32: shapes")]
    assert mean in line
    recipe = "first order; linear layer zero before a task's first step"
    assert f"network 4conv-32; {recipe}; training: 4 tasks; {WEIGHTS:,} parameters; seed 0" in text
    rows = csv.DictReader(io.StringIO(succeeding("report", *runs, "--format", "csv").stdout))
    assert sorted((row["method"], row["network"]) for row in rows if row["our_mean"]) == [
        ("maml", "4conv-32"),
        ("t-nas", ""),
    ]
