"""Published genotypes by name in `tnas decode`."""

from __future__ import annotations

import json

from tests.helpers import AUTO_MAML_5SHOT
from tests.running import succeeding, tnas


def test_decode_takes_a_name() -> None:
    ran = succeeding("decode", "auto-maml-5shot")
    assert ran.stdout.strip() == AUTO_MAML_5SHOT.to_darts()
    record, _ = succeeding("decode", "Auto-MAML-5shot", "--json").records
    assert record["name"] == "Auto-MAML-5shot"
    assert record["method"] == "auto-maml"
    assert record["parameters"] == 26_061


def test_cells_outside_of_the_search_space_keep_what_they_join() -> None:
    ran = succeeding("decode", "NASNet-A")
    assert "reduce_concat=[4, 5, 6]" in ran.stdout
    assert "outside of the search space" in ran.stderr
    first = succeeding("decode", "AmoebaNet-A", "--json")
    assert first.records[0]["parameters"] is None
    again = succeeding("decode", "-", "--json", stdin=first.stdout)
    assert again.records[0] == first.records[0]


def test_such_cells_cannot_be_drawn_or_taken_for_a_genotype() -> None:
    assert tnas("decode", "NASNet-A", "--format", "dot").code == 4
    partial = {"normal": [["skip_connect", 0], ["skip_connect", 1]] * 2, "normal_concat": [3]}
    record = {"event": "genotype", "version": 1, "genotype": partial | {"reduce": partial["normal"]}}
    ran = succeeding("decode", "-", "--json", stdin=json.dumps(record))
    assert ran.records[0]["parameters"] is None


def test_a_name_that_does_not_exist_lists_those_that_do() -> None:
    ran = tnas("decode", "DARTS_V3")
    assert ran.code == 4
    assert "AmoebaNet-A" in ran.stderr
