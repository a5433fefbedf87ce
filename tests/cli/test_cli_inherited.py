"""`tnas train-eval --weights inherited`, from the pipeline's adapted tasks to a result, stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import succeeding, tnas, unfinished

KINDS = ("skip_connections", "pools")
BUDGET = ("--query", 2, "--tasks", 4, "--meta-batch", 2, "--validate-every", 2, "--validation-tasks", 2)


def inheriting(p: Pipeline, runs: Path, *more: str | int | Path) -> tuple[str | int | Path, ...]:
    return (
        *("train-eval", "-", "--weights", "inherited", "--checkpoint", p.best, *BUDGET, "--runs", runs),
        *(*p.here, "--json", *more),
    )


def test_each_genotype_on_its_own_task(pipeline: Pipeline, tmp_path: Path) -> None:
    result = succeeding(*inheriting(pipeline, tmp_path), stdin=pipeline.decoded.stdout).result
    assert (result["weights"], result["training"], result["method"]) == ("inherited", "soft-pruning", "t-nas")
    assert "max_skips" not in result
    assert (result["tasks"], result["genotypes"], result["genotypes_trained"]) == (4, 4, 0)
    assert [row["index"] for row in result["per_task"]] == [0, 1, 2, 3]
    assert result["mean"] == pytest.approx(sum(row["accuracy"] for row in result["per_task"]) / 4)
    assert result["budget"]["training"] == {"amount": 4, "unit": "tasks"}
    assert 0 <= result["inductive"]["mean"] <= 1
    for row, record in zip(result["per_task"], pipeline.decoded.records, strict=False):
        assert {name: row[name] for name in KINDS} == {name: record[name] for name in KINDS}
    run = Path(result["run"])
    assert (run / "best.pt").is_file()
    shown = succeeding("report", run)
    assert "inherited" in shown.stdout


def test_each_genotype_on_all_tasks(pipeline: Pipeline, tmp_path: Path) -> None:
    result = succeeding(
        *inheriting(pipeline, tmp_path, "--all-tasks", "--test-tasks", 3), stdin=pipeline.decoded.stdout
    ).result
    distinct = {json.loads(line)["digest"] for line in pipeline.decoded.stdout.splitlines() if '"digest"' in line}
    assert {row["digest"] for row in result["per_genotype"]} == distinct
    assert result["tasks"] == 3


@pytest.mark.parametrize("paths", ["given", "random"])
def test_the_meta_training_may_go_along_other_genotypes(pipeline: Pipeline, tmp_path: Path, paths: str) -> None:
    own = succeeding(*inheriting(pipeline, tmp_path), stdin=pipeline.decoded.stdout).result
    result = succeeding(*inheriting(pipeline, tmp_path, "--paths", paths), stdin=pipeline.decoded.stdout).result
    assert result["paths"] == paths and "paths" not in own
    assert result["per_task"] != own["per_task"] or result["inductive"] != own["inductive"]
    assert f"along {paths} genotypes" in " ".join(succeeding("report", result["run"]).stdout.split())
    again = succeeding("resume", unfinished(result["run"]), "--json").result
    assert again["per_task"] == result["per_task"] and again["paths"] == paths


def test_genotypes_with_few_skip_connections(pipeline: Pipeline, tmp_path: Path) -> None:
    """Adapted records are decoded with the limit; decoded records state their own. Both give the same genotypes."""
    decoded = succeeding("decode", "-", "--max-skips", 0, "--json", stdin=pipeline.adapted.stdout)
    first = succeeding(*inheriting(pipeline, tmp_path), stdin=decoded.stdout).result
    second = succeeding(*inheriting(pipeline, tmp_path, "--max-skips", 0), stdin=pipeline.adapted.stdout).result
    assert first["max_skips"] == second["max_skips"] == 0
    assert first["per_task"] == second["per_task"]
    assert [row["digest"] for row in first["per_task"]] == [record["digest"] for record in decoded.records[:-1]]


def test_a_resumed_run_reaches_the_same_numbers(pipeline: Pipeline, tmp_path: Path) -> None:
    first = succeeding(*inheriting(pipeline, tmp_path), stdin=pipeline.decoded.stdout).result
    again = succeeding("resume", unfinished(first["run"]), "--json").result
    assert again["resumed"]
    assert again["per_task"] == first["per_task"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--weights", "inherit"), "unknown --weights 'inherit'"),
        (("--alpha-inner", 0.2), "--alpha-inner has no effect"),
        (("--limit", 1), "--limit has no effect"),
        (("--epochs", 1), "--epochs"),
        (("--paths", "all"), "known: given, own, random"),
        (("--side-by-side", 2), "--side-by-side has no effect"),
        (("--seeds", 2), "--seeds has no effect"),
        (("--channels", 8), "was searched with"),
        (("--shot", 2), "--all-tasks"),
    ],
)
def test_choices_that_cannot_work(
    pipeline: Pipeline, tmp_path: Path, options: tuple[str | int, ...], words: str
) -> None:
    ran = tnas(*inheriting(pipeline, tmp_path, *options), stdin=pipeline.decoded.stdout)
    assert ran.code == 2, ran.stderr
    assert words in ran.stderr
    assert "hint: " in ran.stderr


def test_a_network_inherits_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = tnas(
        *("train-eval", "4conv", "--weights", "inherited", "--checkpoint", pipeline.best, "--dataset", "shapes"),
        *("--way", 3, "--shot", 1, "--channels", 4, "--runs", tmp_path, *pipeline.here),
    )
    assert ran.code == 2


def test_cells_outside_of_the_space_inherit_nothing(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = tnas(
        *("train-eval", "NASNet-A", "--weights", "inherited", "--checkpoint", pipeline.best, "--dataset", "shapes"),
        *("--way", 3, "--shot", 1, "--channels", 4, "--all-tasks", "--runs", tmp_path, *pipeline.here),
    )
    assert ran.code == 4
    assert "the reduce cell concatenates [4, 5, 6]" in " ".join(ran.stderr.split())
    assert not list(tmp_path.iterdir())


def test_the_advantage_of_a_genotype_on_its_own_task(pipeline: Pipeline, tmp_path: Path) -> None:
    """Every genotype on its own task and on those before and after it, in a circle of four."""
    result = succeeding(*inheriting(pipeline, tmp_path, "--cross", 1), stdin=pipeline.decoded.stdout).result
    own = {row["index"]: row for row in result["per_task"]}
    met = [(row["digest"], row["index"]) for row in result["crossed"]]
    wanted = [(own[index]["digest"], (index + step) % 4) for step in (1, -1) for index in range(4)]
    assert sorted(met) == sorted(wanted)
    for row in result["crossed"]:
        if own[row["index"]]["digest"] == row["digest"]:
            assert row["accuracy"] == own[row["index"]]["accuracy"], "the same genotype on the same task"
    in_place = result["in_place"]
    assert {name: [row["index"] for row in rows] for name, rows in in_place.items()} == {
        "random": [0, 1, 2, 3],
        "theta~": [0, 1, 2, 3],
    }
    assert len({row["digest"] for row in in_place["theta~"]}) == 1
    assert len({row["digest"] for row in in_place["random"]}) == 4
    shown = succeeding("report", "--advantage", result["run"], "--json").result
    for name, rows in in_place.items():
        gains = [own[row["index"]]["accuracy"] - row["accuracy"] for row in rows]
        assert shown["in_place"][name]["difference"] == pytest.approx(25 * sum(gains))
        assert shown["in_place"][name]["tasks"] == 4
    assert shown["pairs"] <= 4 and abs(shown["difference"]) <= 100
    text = succeeding("report", "--advantage", result["run"]).stdout
    assert "own genotype minus a random one: " in text and "own genotype minus that of theta~: " in text
    assert resumed_is_the_same(result)


def resumed_is_the_same(result: dict[str, object]) -> bool:
    """A finished run is returned again as it was."""
    again = succeeding("resume", result["run"], "--json").result
    return bool(again["crossed"] == result["crossed"] and again["again"])


def test_crossing_needs_more_tasks_than_it_meets(pipeline: Pipeline, tmp_path: Path) -> None:
    found = tnas(*inheriting(pipeline, tmp_path, "--cross", 2), stdin=pipeline.decoded.stdout)
    assert found.code == 2 and "at least 5 test tasks, not 4" in found.stderr
    found = tnas(*inheriting(pipeline, tmp_path, "--cross", 1, "--all-tasks"), stdin=pipeline.decoded.stdout)
    assert found.code == 2 and "exclude each other" in found.stderr
    found = tnas("report", "--advantage", "--table", 2, tmp_path)
    assert found.code == 2 and "--table has no effect with --advantage" in found.stderr
