"""The records that the commands pass to each other."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import Ran, succeeding
from tnas_cli.spaces.genotype import Genotype

KINDS = ("skip_connections", "pools")
STEPS = ("prepared", "searched", "adapted", "adapted_folder", "decoded", "trained")


@pytest.mark.parametrize("step", STEPS)
def test_the_last_record_is_the_result(pipeline: Pipeline, step: str) -> None:
    ran: Ran = getattr(pipeline, step)
    events = [record["event"] for record in ran.records]
    assert events[-1] == "result"
    assert "result" not in events[:-1]
    assert all(record["version"] == 2 for record in ran.records)


def test_adapted_records_carry_what_decoding_needs(pipeline: Pipeline) -> None:
    *adapted, result = pipeline.adapted.records
    assert [record["event"] for record in adapted] == ["adapted"] * 4
    assert [record["task"]["index"] for record in adapted] == [0, 1, 2, 3]
    for record in adapted:
        assert (record["way"], record["shot"], record["channels"], record["seed"]) == (3, 1, 4, 0)
        assert record["run"] == pipeline.searched.result["run"]
        assert record["data"]["dataset"] == "shapes"
        assert len(record["support_losses"]) >= record["inner"]["steps"]
        assert [len(cell) for cell in record["theta"]] == [14, 14]
        assert 0.125 <= record["theta_mean_largest_probability"] <= 1
    accuracies = [record["accuracy"] for record in adapted]
    assert result["mean"] == pytest.approx(sum(accuracies) / 4)
    assert (result["tasks"], result["split"], result["weights"], result["transductive"]) == (
        4,
        "test",
        "inherited",
        True,
    )


def test_genotype_records_agree_in_both_forms(pipeline: Pipeline) -> None:
    *genotypes, result = pipeline.decoded.records
    assert result["tasks"] == len(genotypes) == 4
    assert result["distinct"] == len({record["digest"] for record in genotypes})
    for record, adapted in zip(genotypes, pipeline.adapted.records, strict=False):
        assert record["event"] == "genotype"
        assert Genotype.parse(record["darts"]) == Genotype.from_json(record["genotype"])
        assert record["task"] == adapted["task"]
        assert record["parameters"] > 0
        for name in KINDS:
            assert record[name] == adapted[name] == Genotype.from_json(record["genotype"]).without_weights[name]


def test_a_measured_number_carries_how_it_came_about(pipeline: Pipeline) -> None:
    result = pipeline.trained.result
    assert (result["dataset"], result["protocol"], result["split"]) == ("shapes", "classes", "test")
    assert (result["way"], result["shot"], result["query"], result["tasks"]) == (3, 1, 2, 4)
    assert (result["weights"], result["transductive"], result["seed"]) == ("from-scratch", True, 0)
    searched = pipeline.adapted.records[0]["search_tasks"]  # of the checkpoint that validation chose
    assert result["budget"] == {
        "search": {"amount": searched, "unit": "tasks"},
        "training": {"amount": 4, "unit": "tasks", "each": "genotype"},
    }
    assert searched in (4, 8)
    assert 0 <= result["mean"] <= 1
    assert result["interval"] >= 0
    assert result["wall_seconds"] > 0
    for name in ("device", "package_version", "fingerprint", "method", "run"):
        assert result[name]
    assert result["genotypes"] == 4
    assert result["genotypes_trained"] == len(result["per_genotype"]) <= 2
    counted = {record["digest"]: [record[name] for name in KINDS] for record in pipeline.decoded.records[:-1]}
    for row in (*result["per_genotype"], result["selected"]):
        assert [row[name] for name in KINDS] == counted[row["digest"]]


def test_a_run_directory_is_whole(pipeline: Pipeline) -> None:
    run = Path(pipeline.searched.result["run"])
    assert run.name == "search-shapes-3w1s-t-nas-1"
    assert {path.name for path in run.iterdir()} == {
        "run.json",
        "settings.toml",
        "environment.json",
        "events.jsonl",
        "result.json",
        "best.pt",
        "last.pt",
        "searched.json",
    }
    settings = tomllib.loads((run / "settings.toml").read_text())
    assert (settings["tasks"], settings["way"], settings["channels"]) == (8, 3, 4)
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert lines[-1] == pipeline.searched.result
    assert [line["tasks"] for line in lines if line["event"] == "validated"] == [4, 8]


def test_the_same_commands_again_give_the_same_numbers(pipeline: Pipeline) -> None:
    again = succeeding("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 4, *pipeline.here, "--json")
    assert again.records[:-1] == pipeline.adapted.records[:-1]
