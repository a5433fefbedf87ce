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
    assert "43,741 weights" in ran.stderr
    first = succeeding("decode", "AmoebaNet-A", "--json")
    again = succeeding("decode", "-", "--json", stdin=first.stdout)
    assert again.records[0] == first.records[0]


def test_such_cells_are_drawn_with_the_states_that_they_join() -> None:
    lines = succeeding("decode", "AmoebaNet-B", "--format", "dot").stdout.splitlines()
    into_output = [line.split('"')[1] for line in lines if '-> "normal_7"' in line or '-> "reduce_7"' in line]
    assert into_output == ["normal_1", "normal_3", "normal_4", "normal_6", "reduce_5", "reduce_6"]
    partial = {"normal": [["skip_connect", 0], ["skip_connect", 1]] * 2, "normal_concat": [3]}
    record = {"event": "genotype", "version": 1, "genotype": partial | {"reduce": partial["normal"]}}
    ran = succeeding("decode", "-", "--json", stdin=json.dumps(record))
    assert ran.records[0]["genotype"]["normal_concat"] == [3]


def test_cells_that_were_never_published_are_named_as_such() -> None:
    ran = tnas("decode", "nasnet_b")
    assert ran.code == 4
    assert "the cells of NASNet-B were found in no public code" in " ".join(ran.stderr.split())


def test_a_name_that_does_not_exist_lists_those_that_do() -> None:
    ran = tnas("decode", "DARTS_V3")
    assert ran.code == 4
    assert "AmoebaNet-A" in ran.stderr
