"""`tnas decode`: where genotypes come from, and the forms they leave in."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.conftest import Pipeline
from tests.helpers import AUTO_MAML_1SHOT
from tests.running import Ran, succeeding
from tnas_cli.space.genotype import Genotype


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
