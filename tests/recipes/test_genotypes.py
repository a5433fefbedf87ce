"""Where genotypes come from, and which parts of a record are passed on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
from tests.records.examples import an_adapted
from tnas_cli.errors import GenotypeError
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records import writing
from tnas_cli.records.parts import CountedFor, TaskName

THETA = tuple(map(tuple, (map(tuple, cell) for cell in np.random.default_rng(0).normal(size=(2, 14, 8)).tolist())))
ADAPTED = [an_adapted(theta=tuple(tuple(cell) for cell in THETA), seed=seed) for seed in range(3)]
LINES = "".join(map(writing.line, ADAPTED))


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        "\n".join(json.dumps(record.to_json(), indent=2) for record in ADAPTED),
        json.dumps([record.to_json() for record in ADAPTED]),
    ],
    ids=["lines", "indented", "array"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_of_records(tmp_path: Path, text: str, encoding: str) -> None:
    file = tmp_path / "adapted.jsonl"
    file.write_bytes(text.encode(encoding))
    found = read_genotypes(str(file))
    assert [record.seed for record in found] == [0, 1, 2]
    assert read_genotypes("-", stdin=text) == found


def test_a_record_says_of_which_network_its_weights_were_counted() -> None:
    (found, *_) = read_genotypes("-", stdin=LINES)
    assert found.counted_for == CountedFor(way=5, image_channels=1, channels=16)
    (published,) = read_genotypes("Auto-MAML-5shot")
    assert published.counted_for == CountedFor(way=5, image_channels=3, channels=16)
    assert published.parameters == 26_061
    (outside,) = read_genotypes("NASNet-A")
    assert outside.parameters is None and outside.counted_for is None


def test_fields_that_are_not_known_are_passed_on() -> None:
    values = ADAPTED[0].to_json() | {"patient": 7}
    (found,) = read_genotypes("-", stdin=json.dumps(values))
    assert found.extra == {"patient": 7}
    assert found.task == TaskName(dataset="omniglot", protocol="random", split="test", index=0)
    (again,) = read_genotypes("-", stdin=writing.line(found))
    assert again == found and again.to_json()["patient"] == 7


def test_a_file_of_several_genotypes_gives_all(tmp_path: Path) -> None:
    """In the form of DARTS's genotypes.py."""
    file = tmp_path / "genotypes.py"
    file.write_text(
        "from collections import namedtuple\n"
        "Genotype = namedtuple('Genotype', 'normal normal_concat reduce reduce_concat')\n"
        f"ONE = {AUTO_MAML_1SHOT.to_darts()}\nFIVE = {AUTO_MAML_5SHOT.to_darts()}\nDARTS = FIVE\n"
    )
    digests = [record.digest for record in read_genotypes(str(file))]
    assert digests == [AUTO_MAML_1SHOT.digest, AUTO_MAML_5SHOT.digest]


def test_bare_genotypes_one_after_another() -> None:
    text = "\n".join(json.dumps(which.to_json()) for which in (AUTO_MAML_1SHOT, AUTO_MAML_5SHOT))
    assert [record.digest for record in read_genotypes("-", stdin=text)] == [
        AUTO_MAML_1SHOT.digest,
        AUTO_MAML_5SHOT.digest,
    ]


def test_what_holds_no_genotype_is_named_with_its_line() -> None:
    text = json.dumps(AUTO_MAML_1SHOT.to_json()) + '\n{"a": 1}\n'
    with pytest.raises(GenotypeError, match="standard input, line 2 holds no genotype"):
        read_genotypes("-", stdin=text)


def test_an_origin_counts_for_its_network() -> None:
    origin = Origin(way=3, channels=4)
    assert decoded(AUTO_MAML_1SHOT, origin).counted_for == CountedFor(way=3, image_channels=3, channels=4)
