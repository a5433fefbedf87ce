"""Where genotypes come from, and which parts of a record are passed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
from tests.records.examples import an_adapted
from tnas_cli.errors import CheckpointError, GenotypeError
from tnas_cli.recipes.decoded import Origin, decoded
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.records import writing
from tnas_cli.records.parts import CountedFor, TaskName
from tnas_cli.runs import checkpoint
from tnas_cli.runs.events import Note
from tnas_cli.settings.train import TrainSettings

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
    assert outside.parameters == 43_741 and outside.counted_for == published.counted_for


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


def said_of(source: str, **how: Any) -> tuple[list[str], list[str]]:
    """Digests of what is read, and what is said of it."""
    notes: list[str] = []

    def hear(event: object) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    return [record.digest for record in read_genotypes(source, listener=hear, **how)], notes


def test_all_genotypes_of_a_file_or_the_last_of_a_log_or_the_named_one(tmp_path: Path) -> None:
    one, five = AUTO_MAML_1SHOT, AUTO_MAML_5SHOT
    file = tmp_path / "my genotypes.py"
    file.write_text(f"# found by hand\nONE = {one.to_darts()}\n\n# and another\nFIVE = {five.to_darts()}\n")
    assert said_of(str(file)) == ([one.digest, five.digest], [f"{file}: 2 genotypes"])
    assert said_of(f"{file}:FIVE") == ([five.digest], [])
    with pytest.raises(GenotypeError, match="no genotype called FIFE") as wrong:
        read_genotypes(f"{file}:FIFE")
    assert "FIVE" in wrong.value.hint
    log = tmp_path / "log.txt"
    log.write_text("".join(f"03/05 PM genotype = {text.to_darts()}\ntrain_acc 93\n" for text in (five, one)))
    assert said_of(str(log)) == ([one.digest], [f"{log}: a log of 2 genotypes; the last one, in line 3, is taken"])
    whole = log.read_text()
    assert said_of("-", stdin=whole)[0] == [one.digest]
    log.write_text(whole + "03/06 PM genotype = Genotype(normal=[('sep")
    with pytest.raises(GenotypeError, match="line 5 does not end"):
        read_genotypes(str(log))


def test_a_log_that_begins_with_a_bracket_and_texts_that_are_no_files(tmp_path: Path) -> None:
    one = AUTO_MAML_1SHOT
    log = tmp_path / "log.txt"
    for begin in ("[03/05 12:00] ", "{'lr': 0.1}\n[epoch 3] "):
        log.write_text(f"{begin}genotype = {one.to_darts()}\n")
        assert said_of(str(log))[0] == [one.digest]
    assert said_of(f"best = {one.to_darts()}")[0] == [one.digest]
    for text in ("x" * 5000, "x" * 5000 + ":NAME"):
        with pytest.raises(GenotypeError):
            read_genotypes(text)


def test_what_decode_prints_is_read_again(tmp_path: Path) -> None:
    genotypes = [AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, AUTO_MAML_1SHOT]
    file = tmp_path / "g.txt"
    file.write_text("".join(f"{genotype.to_darts()}\n" for genotype in genotypes))
    assert said_of(str(file))[0] == [genotype.digest for genotype in genotypes]


def test_a_concatenation_that_leaves_out_a_node_is_read_as_cells() -> None:
    text = AUTO_MAML_1SHOT.to_darts().replace("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[3, 4, 5]")
    (record,) = read_genotypes(text)
    assert record.genotype["reduce_concat"] == [3, 4, 5]
    (known,) = read_genotypes("NASNet-A")
    (again,) = read_genotypes(known.darts)
    assert again.digest == known.digest


@pytest.mark.parametrize("changed", [{"shot": [1, 1]}, {"seed": "none"}, {"channels": None}])
def test_a_training_whose_settings_are_damaged_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    settings = TrainSettings(dataset="glyphs").to_dict()
    about = {
        "settings": settings,
        "data": {"dataset": "glyphs", "protocol": "random", "size": 28, "channels": 1, "mean": [0.0], "std": [1.0]},
        "found_by": "t-nas",
        "run": "runs/train-eval-1",
        "genotype": {"normal": AUTO_MAML_1SHOT.normal, "reduce": AUTO_MAML_1SHOT.reduce},
    }
    whole, damaged = tmp_path / "whole.pt", tmp_path / "damaged.pt"
    for path, values in (whole, settings), (damaged, settings | changed):
        found = checkpoint.Checkpoint(checkpoint.DECODED_WEIGHTS, {**about, "settings": values}, {})
        checkpoint.save(path, found)
    assert read_genotypes(str(whole))[0].shot == settings["shot"]
    with pytest.raises(CheckpointError, match="does not describe its network"):
        read_genotypes(str(damaged))
