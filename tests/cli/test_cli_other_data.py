"""Two data sets that share a name: what learned from one is not measured on the other without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import class_tree, succeeding, tnas


@pytest.fixture(scope="module")
def other(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with another data set called shapes: the classes that the search learned are its test classes."""
    folder = tmp_path_factory.mktemp("other")
    for split, numbers in (("train", range(12, 24)), ("val", range(24, 30)), ("test", range(6))):
        class_tree(folder / "shapes" / split, numbers)
    source = ("folder", "--source", folder / "shapes", "--size", 20)
    prepared = succeeding("prepare-data", *source, "--cache-dir", folder / "cache", "--json").result
    assert prepared["fingerprint"] != pipeline.prepared.result["fingerprint"]
    return folder / "cache"


def test_it_is_refused_with_both_hashes_and_allowed_to_who_knows(
    pipeline: Pipeline, other: Path, tmp_path: Path
) -> None:
    options = ("--cache-dir", other, "--threads", 1, "--runs", tmp_path)
    inherited = ("train-eval", "-", "--weights", "inherited", *TRAINING, *options)
    again = ("prepare-data", "folder", "--source", other.parent / "shapes", "--size", 20, "--cache-dir", other)
    hashes = [ran.result["fingerprint"][:12] for ran in (pipeline.prepared, succeeding(*again, "--json"))]
    for arguments in (
        ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 2, *options[:4]),
        ("train-eval", "-", *TRAINING, *TESTING, *options),
        (*inherited, "--all-tasks"),
    ):
        ran = tnas(*arguments, stdin=pipeline.decoded.stdout)
        assert ran.code == 3, ran.stderr
        assert "learned from another shapes" in ran.stderr
        assert all(one in ran.stderr for one in hashes)
        assert "--allow-other-data" in ran.stderr
        assert not list(tmp_path.iterdir()), "no run is begun"
    allowed = ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 2, *options[:4], "--allow-other-data")
    succeeding(*allowed)
    trained = ("train-eval", "-", *TRAINING, *TESTING, *options, "--allow-other-data", "--json")
    assert succeeding(*trained, stdin=pipeline.decoded.stdout).result["mean"] is not None


def test_data_of_another_name_is_nobodys_business(pipeline: Pipeline, other: Path) -> None:
    options = ("--cache-dir", other, "--threads", 1)
    (source,) = (path for path in other.parent.iterdir() if path.name == "shapes")
    succeeding("prepare-data", "folder", "--source", source, "--name", "marks", "--size", 20, *options[:2])
    succeeding("adapt", pipeline.best, "--dataset", "marks", "--tasks", 2, *options)
