"""`tnas decode`: where genotypes come from, and the forms in which they are written."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.cli.wrong import check
from tests.conftest import Pipeline
from tests.helpers import AUTO_MAML_1SHOT
from tests.running import Ran, succeeding, tnas
from tnas_cli.spaces.genotype import CELLS, Genotype


def genotypes(ran: Ran) -> list[Genotype]:
    """The genotypes in `--json` output."""
    return [Genotype.from_json(record["genotype"]) for record in ran.records[:-1]]


def test_every_source_of_the_same_genotype(tmp_path: Path) -> None:
    texts = [
        AUTO_MAML_1SHOT.to_darts(),
        "AutoMAML = " + AUTO_MAML_1SHOT.to_darts(),
        json.dumps(AUTO_MAML_1SHOT.to_json()),
    ]
    for text in texts:
        path = tmp_path / "genotype.txt"
        path.write_text(text)
        assert genotypes(succeeding("decode", path, "--json")) == [AUTO_MAML_1SHOT]
        assert genotypes(succeeding("decode", "-", "--json", stdin=text)) == [AUTO_MAML_1SHOT]
    for text in (texts[0], texts[2]):
        assert genotypes(succeeding("decode", text, "--json")) == [AUTO_MAML_1SHOT]


def test_records_from_a_file_and_from_stdin_are_the_same(pipeline: Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "adapted.jsonl"
    path.write_text(pipeline.adapted.stdout)
    assert succeeding("decode", path, "--json").stdout == pipeline.decoded.stdout
    again = succeeding("decode", "-", "--json", stdin=pipeline.decoded.stdout)
    assert again.stdout == pipeline.decoded.stdout


def test_a_checkpoint_decodes_its_meta_architecture(pipeline: Pipeline) -> None:
    record, result = succeeding("decode", pipeline.best, "--json").records
    assert record["task"] == {"meta_architecture": str(pipeline.best)}
    assert (record["way"], record["shot"], record["channels"]) == (3, 1, 4)
    assert (result["tasks"], result["distinct"]) == (1, 1)


def test_forms(pipeline: Pipeline) -> None:
    text = AUTO_MAML_1SHOT.to_darts()
    assert succeeding("decode", text).stdout == text + "\n"
    assert succeeding("decode", text, "--format", "json").stdout == succeeding("decode", text, "--json").stdout
    dot = succeeding("decode", text, "--format", "dot").stdout
    assert dot.startswith("digraph")
    assert dot.count("{") == dot.count("}")
    # Every edge of the genotype, and one of each of both cells' four nodes to the output.
    assert dot.count("->") == 16 + 8
    many = succeeding("decode", "-", stdin=pipeline.adapted.stdout)
    assert [Genotype.parse(line) for line in many.stdout.splitlines()] == genotypes(pipeline.decoded)
    assert f"{pipeline.decoded.result['distinct']} distinct of 4 genotypes" in many.stderr


@pytest.mark.parametrize("ending", ["svg", "png", "PNG"])
def test_a_picture(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "new" / f"cells.{ending}"
    ran = succeeding("decode", AUTO_MAML_1SHOT.to_darts(), "--picture", path)
    assert f"drawn: {path}" in ran.stderr
    if ending.lower() == "png":
        with Image.open(path) as image:
            assert min(image.size) > 200
    else:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_a_picture_for_every_distinct_genotype(pipeline: Pipeline, tmp_path: Path) -> None:
    ran = succeeding("decode", "-", "--picture", tmp_path / "cells.svg", "--json", stdin=pipeline.adapted.stdout)
    digests = {record["digest"] for record in ran.records[:-1]}
    assert len(digests) > 1
    assert {path.name for path in tmp_path.iterdir()} == {f"cells-{digest}.svg" for digest in digests}
    assert {Path(path) for path in ran.result["pictures"]} == set(tmp_path.iterdir())


def test_at_most_so_many_skip_connections(pipeline: Pipeline, tmp_path: Path) -> None:
    """The option applies to every source that has theta, and every record decoded with it names it."""
    path = tmp_path / "adapted.jsonl"
    path.write_text(leaning_to_skip(pipeline.adapted.stdout))
    before, ran = succeeding("decode", path, "--json"), succeeding("decode", path, "--max-skips", 1, "--json")
    assert all(record["skip_connections"] > 2 and "max_skips" not in record for record in before.records[:-1])
    assert "max_skips" not in before.result
    for record, genotype in zip(ran.records, genotypes(ran), strict=False):
        assert record["max_skips"] == 1
        assert record["skip_connections"] == genotype.without_weights["skip_connections"] <= 2
        assert all(sum(name == "skip_connect" for name, _ in genotype.cell(cell)) <= 1 for cell in CELLS)
    assert (ran.result["max_skips"], ran.result["warning"]) == (1, None)
    assert ran.result["skip_share"] < before.result["skip_share"]
    again = succeeding("decode", "-", "--max-skips", 1, "--json", stdin=ran.stdout)
    assert again.records[:-1] == succeeding("decode", "-", "--json", stdin=ran.stdout).records[:-1] == ran.records[:-1]
    assert succeeding("decode", path, "--max-skips", 8, "--json").records[0]["digest"] == before.records[0]["digest"]
    assert succeeding("decode", pipeline.best, "--max-skips", 0, "--json").records[0]["skip_connections"] == 0


def leaning_to_skip(adapted: str) -> str:
    """Adapted records in which the skip connection is the strongest operation of every edge."""
    records = [json.loads(line) for line in adapted.splitlines()]
    for record in records[:-1]:
        for cell in record["theta"]:
            for edge in cell:
                edge[3] += 9.0
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize("number", ["-1", "two"])
def test_a_limit_that_is_none(pipeline: Pipeline, number: str) -> None:
    check(tnas("decode", pipeline.best, "--max-skips", number), 2, ("--max-skips",))


@pytest.mark.parametrize("command", ["decode", "train-eval"])
def test_a_limit_of_skips_without_theta(pipeline: Pipeline, command: str) -> None:
    for source in ("Auto-MAML-1shot", AUTO_MAML_1SHOT.to_darts(), "-"):
        ran = tnas(command, source, "--max-skips", 2, stdin=pipeline.decoded.stdout)
        check(ran, 2, ("--max-skips needs theta",))
    broken = pipeline.decoded.stdout.replace('"event": "genotype"', '"event": "genotype", "max_skips": "few"', 1)
    check(tnas("decode", "-", stdin=broken), 4, ("line 1: the genotype's 'max_skips' is 'few'",))


def test_where_skips_cannot_be_limited(pipeline: Pipeline) -> None:
    ran = tnas("train-eval", "4conv", "--dataset", "shapes", "--max-skips", 2, stdin=pipeline.adapted.stdout)
    check(ran, 2, ("--max-skips has no meaning for 4conv-32",))
