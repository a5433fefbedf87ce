"""`--method`: every method from the command line to a result, and back from its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY, TRAINING, Pipeline
from tests.helpers import NETWORKS, train_eval_with
from tests.running import Argument, succeeding, tnas, unfinished
from tnas_cli.methods.registry import about, search_methods, training_methods
from tnas_cli.settings.features import ENGINE, INNER_THETA

BUDGET = ("--tasks", 8, "--validate-every", 4, "--validation-tasks", 2)
COMMON = ("--dataset", "shapes", "--way", 3, "--shot", 1, *TRAINING, "--test-tasks", 4)
NETWORK = ("train-eval", "4conv", *COMMON)


@pytest.mark.parametrize("method", [name for name in search_methods() if name != "t-nas"])  # the pipeline is its run
def test_a_search_adapts_decodes_and_resumes(pipeline: Pipeline, tmp_path: Path, method: str) -> None:
    search = ("search", "--method", method, *TINY, "--query", 1, *BUDGET, "--runs", tmp_path, *pipeline.here)
    found = succeeding(*search, "--json").result
    assert found["method"] == method
    assert f"-{method}-" in found["run"]
    adapted = succeeding("adapt", found["checkpoint"], "--dataset", "shapes", "--tasks", 3, *pipeline.here, "--json")
    assert {record["method"] for record in adapted.records} == {method}
    decoded = succeeding("decode", "-", "--json", stdin=adapted.stdout)
    digests = {record["digest"] for record in decoded.records if record["event"] == "genotype"}
    # Where theta does not adapt, as in Auto-MAML, there is one architecture for all tasks.
    assert len(digests) == (3 if INNER_THETA in about(method).reads else 1)
    meta = succeeding("decode", found["checkpoint"], "--json").records[0]
    assert meta["method"] == method
    folder = succeeding("adapt", found["checkpoint"], pipeline.task, *pipeline.here, "--json")
    assert len(folder.records[0]["support_losses"]) == 6
    resumed = succeeding("resume", unfinished(found["run"]), "--json").result
    assert resumed["tasks_this_time"] == 0
    assert resumed["validation_accuracy"] == found["validation_accuracy"]


@pytest.mark.parametrize("method", training_methods())
def test_a_training_has_its_methods_name_and_resumes(pipeline: Pipeline, tmp_path: Path, method: str) -> None:
    run = (*train_eval_with(method), *COMMON, "--runs", tmp_path, *pipeline.here, "--json")
    found = succeeding(*run).result
    given = NETWORKS.get(method, "4conv-32")
    assert (found["method"], found["training"]) == (method, method)
    assert found["title"] == about(method).title
    assert found["network"] == (about(method).network or given)
    fused = ENGINE in about(method).reads and about(method).differs.get("order") != "second"
    assert found["engine"] == ("fused" if fused else "torch")
    assert 0 <= found["inductive"]["mean"] <= 1
    kept = sorted(path.name for path in (Path(found["run"]) / given).glob("top-*.pt"))
    assert kept == (["top-2.pt", "top-4.pt"] if about(method).differs.get("ensemble") else [])
    again = succeeding("resume", unfinished(found["run"]), "--json").result
    assert (again["mean"], again["resumed"]) == (found["mean"], True)


def test_a_genotype_is_an_embedding_too(pipeline: Pipeline, tmp_path: Path) -> None:
    run = ("train-eval", "-", *TRAINING, "--test-tasks", 4, "--limit", 1, "--method", "protonets", "--runs", tmp_path)
    found = succeeding(*run, *pipeline.here, "--json", stdin=pipeline.decoded.stdout).result
    assert (found["method"], found["training"]) == ("t-nas", "protonets")


def test_every_piece_of_maml_plus_plus_is_a_switch(pipeline: Pipeline, tmp_path: Path) -> None:
    pieces: tuple[Argument, ...] = ("--learned-rates", "none", "--no-step-norms", "--multi-step", 0, "--cosine-to", 1)
    run = (*NETWORK, "--method", "maml++", *pieces, "--ensemble", 1, *pipeline.here, "--json")
    off = succeeding(*run, "--runs", tmp_path / "off").result
    plain = succeeding(*NETWORK, *pipeline.here, "--json", "--runs", tmp_path / "plain").result
    assert off["mean"] == pytest.approx(plain["mean"], abs=0.05)
    assert 'learned_rates = "none"' in (Path(off["run"]) / "settings.toml").read_text()


@pytest.mark.parametrize(
    ("command", "method", "words"),
    [
        (("search", *TINY), "tnas", "did you mean 't-nas'"),
        (NETWORK, "protonet", "did you mean 'protonets'"),
        (("train-eval", "DARTS_V1", "--dataset", "shapes"), "compare-nets", ""),
    ],
)
def test_methods_that_do_not_exist_or_do_not_fit(
    pipeline: Pipeline, tmp_path: Path, command: tuple[Argument, ...], method: str, words: str
) -> None:
    ran = tnas(*command, "--method", method, "--runs", tmp_path, *pipeline.here)
    assert ran.code == 2, ran.stderr
    assert words in ran.stderr
    assert "hint: " in ran.stderr


def test_seeds_repeat_and_spread(pipeline: Pipeline, tmp_path: Path) -> None:
    run = (*NETWORK, "--runs", tmp_path, *pipeline.here)
    found = succeeding(*run, "--seeds", 3, "--seed", 5, "--json").result
    assert found["seeds"] == [5, 6, 7]
    assert len(set(found["runs"])) == 3
    alone = succeeding(*run, "--seed", 6, "--json").result
    assert found["means"][1] == alone["mean"]
    mean = sum(found["means"]) / 3
    assert found["mean_over_seeds"] == pytest.approx(mean)
    spread = (sum((value - mean) ** 2 for value in found["means"]) / 2) ** 0.5
    assert found["spread_over_seeds"] == pytest.approx(spread)
    shown = succeeding(*run, "--seeds", 2)
    assert "standard deviation over 2 seeds" in shown.stdout
    assert tnas(*run, "--seeds", 2, "--dry-run").code == 2


@pytest.mark.parametrize(("method", "arithmetic"), [("maml++", True), ("protonets", False)])
def test_the_cost_of_a_method_is_measured(pipeline: Pipeline, tmp_path: Path, method: str, arithmetic: bool) -> None:
    """Methods without inner steps have no arithmetic per task to report; learned rates do not count as weights."""
    ran = succeeding(*NETWORK, "--method", method, "--dry-run", "--runs", tmp_path, *pipeline.here)
    assert ("GFLOP per task" in ran.stdout) == arithmetic
    assert "total to expect" in ran.stdout
    trained = succeeding(*NETWORK, "--method", method, "--runs", tmp_path, *pipeline.here, "--json").result
    assert f"weights            {trained['per_genotype'][0]['parameters']:,}" in ran.stdout
