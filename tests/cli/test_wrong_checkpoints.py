"""The table of checkpoints and genotypes that cannot be read; code in them is never executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.wrong import (
    Wrong,
    adapting,
    bare_pickle,
    changed_checkpoint,
    cut,
    genotype,
    pickle_in_a_checkpoint,
    run_wrong,
    unfinished_copy,
    with_folder,
    written,
)
from tests.conftest import Pipeline
from tests.helpers import AUTO_MAML_1SHOT


def record(**context: object) -> str:
    """A genotype record that says something about where it came from."""
    genotype = AUTO_MAML_1SHOT.to_json()
    return json.dumps({"event": "genotype", "version": 1, "genotype": genotype, **context}) + "\n"


TABLE = {
    "no checkpoint": Wrong(4, ("nowhere.pt", "tnas search"), lambda p, t: adapting(p, t / "nowhere.pt")),
    "a folder as a checkpoint": Wrong(
        4, ("folder.pt",), lambda p, t: adapting(p, with_folder(t, "folder.pt") / "folder.pt")
    ),
    "a truncated checkpoint": Wrong(4, ("cut.pt",), lambda p, t: adapting(p, cut(p.best, t / "cut.pt"))),
    "a nearly whole checkpoint": Wrong(4, ("cut.pt",), lambda p, t: adapting(p, cut(p.best, t / "cut.pt", 0.99))),
    "an empty checkpoint": Wrong(4, ("empty.pt",), lambda p, t: adapting(p, written(t / "empty.pt", ""))),
    "text as a checkpoint": Wrong(4, ("text.pt",), lambda p, t: adapting(p, written(t / "text.pt", "hello"))),
    "a checkpoint of another kind": Wrong(
        4,
        ("changed.pt is a network of the transfer setting, not a meta-architecture",),
        lambda p, t: adapting(p, changed_checkpoint(p, t, kind="tnas/transfer-weights")),
    ),
    "a checkpoint of a newer version": Wrong(
        4, ("changed.pt", "version 99"), lambda p, t: adapting(p, changed_checkpoint(p, t, schema=99))
    ),
    "a checkpoint without its settings": Wrong(
        4, ("changed.pt",), lambda p, t: adapting(p, changed_checkpoint(p, t, about={"settings": {}}))
    ),
    "a pickle in a checkpoint": Wrong(
        4, ("code.pt", "none of it was run"), lambda p, t: adapting(p, pickle_in_a_checkpoint(t))
    ),
    "a bare pickle": Wrong(4, ("code.pt",), lambda p, t: adapting(p, bare_pickle(t))),
    "a damaged checkpoint to decode": Wrong(4, ("cut.pt",), lambda p, t: ("decode", cut(p.best, t / "cut.pt"))),
    "a damaged run to resume": Wrong(
        4,
        ("last.pt",),
        lambda p, t: ("resume", cut(p.best, unfinished_copy(p, t) / "last.pt").parent, *p.here),
    ),
    "unknown operation": Wrong(
        4, ("'avg_pool_7x7'", "normal"), lambda p, t: ("decode", genotype(t, "avg_pool_3x3", "avg_pool_7x7"))
    ),
    "operation none": Wrong(4, ("'none'",), lambda p, t: ("decode", genotype(t, "avg_pool_3x3", "none"))),
    "edge from a later node": Wrong(
        4, ("state 5", "node 0"), lambda p, t: ("decode", genotype(t, "('avg_pool_3x3', 0)", "('avg_pool_3x3', 5)"))
    ),
    "an edge too few": Wrong(4, ("7 edges",), lambda p, t: ("decode", genotype(t, "('avg_pool_3x3', 0), ", ""))),
    "code in a genotype": Wrong(
        4,
        ("not a list of edges",),
        lambda p, t: ("decode", genotype(t, "0)", "__import__('os').system('touch executed'))")),
    ),
    "broken JSON": Wrong(4, ("JSON",), lambda p, t: ("decode", '{"normal": [')),
    "an odd number of edges": Wrong(
        4,
        ("1 edges",),
        lambda p, t: ("decode", '{"normal": [["skip_connect", 0]], "reduce": [["skip_connect", 0]]}'),
    ),
    "JSON without a genotype": Wrong(4, ("no genotype",), lambda p, t: ("decode", "-"), stdin='{"a": 1}\n'),
    "JSON that is no record": Wrong(4, ("standard input",), lambda p, t: ("decode", "-"), stdin="[1, 2]\n"),
    "theta of a wrong shape": Wrong(
        4, ("shape",), lambda p, t: ("decode", "-"), stdin='{"event": "adapted", "version": 1, "theta": [[[1, 2]]]}\n'
    ),
    "theta that is no table": Wrong(
        4, ("'theta'",), lambda p, t: ("decode", "-"), stdin='{"event": "adapted", "version": 1, "theta": [[1, 2]]}\n'
    ),
    "a record of a newer version": Wrong(
        4, ("version 9",), lambda p, t: ("decode", "-"), stdin='{"event": "adapted", "version": 9}\n'
    ),
    "JSON without an end to its depth": Wrong(
        4, ("standard input",), lambda p, t: ("decode", "-"), stdin="[" * 100_000
    ),
    "a record of an impossible network": Wrong(
        4, ("'way' is 'x'",), lambda p, t: ("decode", "-"), stdin=record(way="x")
    ),
    "a record of an impossible width": Wrong(
        4, ("number of channels: 5",), lambda p, t: ("decode", "-"), stdin=record(channels=5)
    ),
    "a record of impossible data": Wrong(4, ("'data' is 7",), lambda p, t: ("decode", "-"), stdin=record(data=7)),
    "a file that is not there": Wrong(4, ("nowhere.jsonl",), lambda p, t: ("decode", t / "nowhere.jsonl")),
    "nothing to decode": Wrong(4, ("standard input is empty",), lambda p, t: ("decode", "-")),
    "nothing to train": Wrong(4, ("standard input is empty",), lambda p, t: ("train-eval", "-", *p.here)),
    "a broken genotype to train": Wrong(
        4, ("line 1", "standard input"), lambda p, t: ("train-eval", "-", *p.here), stdin="hello\n"
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_wrong_input(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    run_wrong(TABLE[name], pipeline, tmp_path, monkeypatch)
