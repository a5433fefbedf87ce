"""Which figures a source allows; unusable records are named, and do not stop the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tests.report.figures.looking import words
from tests.report.results import a_result
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.reading import parse
from tnas_cli.report.figures.run_log import StageLog
from tnas_cli.report.figures.theme import THEMES
from tnas_cli.report.pictures import GENOTYPES_SHOWN, Pictures
from tnas_cli.report.pictures import find_pictures as all_pictures
from tnas_cli.report.run_folder import RunFacts, RunPlan
from tnas_cli.report.source import Source, Sources, read_sources
from tnas_cli.spaces.genotype import Genotype

INNER = {"alpha": 0.1, "beta": 30.0, "steps": 2}


def genotype(which: Genotype, **changes: Any) -> dict[str, Any]:
    return {"event": "genotype", "version": 1, "genotype": which.to_json(), "parameters": 12345, **changes}


def adapted(seed: int = 0, **changes: Any) -> dict[str, Any]:
    theta = np.random.default_rng(seed).normal(size=(2, 14, 8)).tolist()
    losses = [1.6, 0.5, 0.1]
    task = {"dataset": "omniglot", "protocol": "random", "split": "test", "index": seed}
    record = {"event": "adapted", "version": 1, "task": task, "theta": theta, "support_losses": losses, "way": 5}
    return record | {"checkpoint": "gone.pt", "method": "t-nas", "inner": INNER, "shot": 1, "query": 5} | changes


def find_pictures(sources: list[Source]) -> Pictures:
    return all_pictures(Sources(sources))


def source(name: str, *records: dict[str, Any], **parts: Any) -> Source:
    """A file of records."""
    return Source(name, Path(name), None, records=[parse(record) for record in records], **parts)


def names(materials: list[Source]) -> list[str]:
    return [picture.name for pictures in find_pictures(materials).by_source.values() for picture in pictures]


def test_a_run_without_a_log_and_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    found = find_pictures([Source("search-x-1", tmp_path, tmp_path)])
    assert found.by_source == {}
    assert [reason.split(":")[1] for reason in found.left_out] == [" no curves", " no theta"]


def test_the_trained_genotypes_come_first_then_the_most_frequent() -> None:
    others = [random_genotype(seed) for seed in range(4)]
    records = [genotype(which) for which in (*others, AUTO_MAML_5SHOT, AUTO_MAML_5SHOT, AUTO_MAML_1SHOT)]
    records.append(a_result(per_genotype=[{"digest": AUTO_MAML_1SHOT.digest, "count": 1}]))
    found = find_pictures([source("train-eval-x-1", *records)])
    drawn = [picture.name.rpartition("-")[2] for picture in found.by_source["train-eval-x-1"]]
    assert drawn[:2] == [AUTO_MAML_1SHOT.digest, AUTO_MAML_5SHOT.digest] and len(drawn) == GENOTYPES_SHOWN
    assert "3 further genotypes" in found.left_out[-1]
    assert (
        "12,345 weights for 5 classes at width 16. Decoded for 2 of 7 tasks."
        in found.by_source["train-eval-x-1"][1].caption
    )


def test_a_transfer_is_over_batches_and_validated_on_images(tmp_path: Path) -> None:
    log = StageLog([(1, {"loss": 1.0})], [(4, 0.5, 0.1)])
    facts = RunFacts(plan=RunPlan(kind="transfer"))
    found = find_pictures([Source("t", tmp_path, tmp_path, {"ab": log}, [], facts=facts)])
    (picture,) = found.by_source["t"]
    assert picture.title == "t: over the batches"
    assert "50.00 ± 10.00% after 4 batches" in picture.caption and "over the validation images" in picture.caption
    texts = {text for text, _ in words(picture.draw(THEMES[0]))}
    assert {"batches", "validation images", "training loss\nof a batch"} <= texts
    assert not any("task" in text for text in texts)


def test_a_supervised_run_shows_the_cells_that_it_found(tmp_path: Path) -> None:
    tasks = [[AUTO_MAML_1SHOT.to_json()], [AUTO_MAML_1SHOT.to_json()], [AUTO_MAML_5SHOT.to_json()]]
    (tmp_path / "settings.toml").write_text("")
    (tmp_path / "plan.json").write_text('{"setting": "supervised"}')
    (tmp_path / "found.json").write_text(json.dumps({"genotypes": tasks}))
    found = all_pictures(read_sources([tmp_path]))
    first, second = found.by_source[tmp_path.name]
    assert first.name.endswith(AUTO_MAML_1SHOT.digest) and "2 of the 3 genotypes that were found" in first.caption
    assert second.name.endswith(AUTO_MAML_5SHOT.digest)
    (reason,) = found.left_out
    assert reason.endswith("no curves: trainings of the supervised setting log no steps")


def test_given_genotypes_are_not_counted_twice(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("")
    (tmp_path / "genotypes.jsonl").write_text(json.dumps(genotype(AUTO_MAML_1SHOT)) + "\n")
    (tmp_path / "found.json").write_text(json.dumps({"genotypes": [[AUTO_MAML_1SHOT.to_json()]] * 2}))
    assert len(read_sources([tmp_path]).read[0].of(Decoded)) == 1


@pytest.mark.parametrize("kept", [{}, {"genotypes": "x"}, {"genotypes": ["x"]}])
def test_what_was_found_may_be_missing_or_damaged(tmp_path: Path, kept: dict[str, Any]) -> None:
    (tmp_path / "settings.toml").write_text("")
    (tmp_path / "found.json").write_text(json.dumps(kept))
    assert read_sources([tmp_path]).read[0].records == []


def test_a_genotype_of_two_sources_is_drawn_once() -> None:
    sources = [source(name, genotype(AUTO_MAML_1SHOT)) for name in ("a", "b")]
    assert names(sources) == [f"a-cells-{AUTO_MAML_1SHOT.digest}"]


def test_adapted_records_without_images_and_checkpoint_still_have_theta_and_losses() -> None:
    found = find_pictures([source("adapted", *(adapted(seed) for seed in range(5)))])
    kinds = [picture.name.split("-")[1] for picture in found.by_source["adapted"]]
    assert kinds == ["theta", "steps", *["cells"] * GENOTYPES_SHOWN]
    assert "3 of 5 adapted tasks" in found.by_source["adapted"][0].title
    assert sum("gone.pt" in reason for reason in found.left_out) == 2


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"theta": "x"}, "adapted.jsonl, line 1: the adapted's 'theta'"),
        ({"theta": [[[0.0] * 8] * 3] * 2}, "no theta"),
        ({"support_losses": None}, "adapted.jsonl, line 1: the adapted's 'support_losses'"),
        ({"support_losses": []}, "no support losses"),
        ({"query_accuracies": [0.5, "1"]}, "adapted.jsonl, line 1: the adapted's 'query_accuracies'"),
        ({"task": {}}, "no task images"),
        ({"task": None}, "adapted.jsonl, line 1: the adapted's 'task'"),
        ({"task": {"folder": "missing"}}, "no task images"),
        (
            {"task": {"folder": "missing"}, "data": {"size": 28, "channels": 1, "mean": [0], "std": [1]}},
            "no task images",
        ),
        ({"query": "many"}, "adapted.jsonl, line 1: the adapted's 'query'"),
        ({"query": None}, "no task images"),
        ({"way": 0}, "adapted.jsonl, line 1: the adapted's 'way'"),
        ({"way": None}, "no task images"),
        ({"method": "protonets"}, "no task images"),
        ({"checkpoint": None}, "no task images"),
    ],
)
def test_a_record_that_cannot_be_used_stops_nothing_else(changes: dict[str, Any], lost: str, tmp_path: Path) -> None:
    file = tmp_path / "adapted.jsonl"
    file.write_text(json.dumps(adapted(**changes)) + "\n")
    (broken,) = read_sources([file]).read
    whole = Source("whole", Path("w"), None, {"search": StageLog([(4, {"loss": 1.0})])}, [])
    found = find_pictures([broken, whole])
    wanted = lost if lost.startswith("no ") else f"{tmp_path}/{lost}"
    assert any(reason.startswith(f"adapted: {wanted}") for reason in found.left_out), found.left_out
    assert [picture.name for picture in found.by_source["whole"]] == ["whole-curves"]


def test_a_broken_genotype_is_named() -> None:
    bad = genotype(AUTO_MAML_1SHOT) | {"genotype": {"normal": [["conv_9x9", 0]], "reduce": []}}
    found = find_pictures([source("g", bad, genotype(AUTO_MAML_1SHOT))])
    assert "genotype record 1" in found.left_out[0] and len(found.by_source["g"]) == 1


def test_results_alone_have_nothing_to_draw() -> None:
    found = find_pictures([source("r", a_result())])
    assert found.left_out == ["r: nothing to draw: it holds results only"]
