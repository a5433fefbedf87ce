"""A genotype that a cluster could not train: the others count, the result says so, and a resumed run tries it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TESTING, TRAINING, Pipeline
from tests.running import succeeding, tnas
from tnas_cli.errors import DataError, TnasError
from tnas_cli.recipes import train_networks
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.events import Event, Listener, ignore
from tnas_cli.scale.processes import Work


def without(*failing: int) -> Callable[..., dict[int, TnasError]]:
    """A cluster that is this process, and on which these items fail."""

    def over_cluster(
        address: ClusterAddress,
        work: Work,
        items: Iterator[int],
        run: Path,
        heard: Callable[[int, Event], None],
        listener: Listener,
    ) -> dict[int, TnasError]:
        assert run.is_absolute()
        for item in items:
            if item not in failing:
                work(item, ignore)
        return {item: TnasError("no luck.", hint="try again") for item in failing}

    return over_cluster


def trained(pipeline: Pipeline, runs: Path) -> Any:
    words = ("train-eval", "-", *TRAINING, *TESTING, "--runs", runs, "--cluster", "tcp://nowhere:1", *pipeline.here)
    return tnas(*words, "--json", stdin=pipeline.decoded.stdout)


def test_the_others_count_and_a_resumed_run_tries_again(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_networks, "over_cluster", without(1))
    ran = trained(pipeline, tmp_path)
    assert ran.code == 0, ran.stderr
    assert "trained 1 of 2 genotypes: the others were set aside" in ran.stderr
    assert ran.result["genotypes_trained"] == 1
    (aside,) = ran.result["set_aside"]
    assert aside["error"] == "no luck."
    assert aside["digest"] != ran.result["per_genotype"][0]["digest"]
    again = succeeding("resume", ran.result["run"], "--json")
    assert again.result["genotypes_trained"] == 2
    assert "set_aside" not in again.result
    assert again.result["mean"] == pipeline.trained.result["mean"]
    kept = json.loads((Path(ran.result["run"]) / "result.json").read_text())
    assert kept["genotypes_trained"] == 2


def fails(*_: object) -> dict[int, TnasError]:
    raise TnasError("no scheduler.", hint="start one")


def test_a_run_keeps_its_result_until_it_has_a_better_one(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_networks, "over_cluster", without(1))
    run = Path(trained(pipeline, tmp_path).result["run"])
    before = (run / "result.json").read_text()
    monkeypatch.setattr(train_networks, "over_cluster", fails)
    ran = tnas("resume", run, "--cluster", "tcp://nowhere:1")
    assert ran.code == TnasError.exit_code
    assert (run / "result.json").read_text() == before


def test_none_is_left(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_networks, "over_cluster", without(0, 1))
    ran = trained(pipeline, tmp_path)
    assert ran.code == TnasError.exit_code
    assert "error: no luck." in ran.stderr
    (run,) = tmp_path.iterdir()
    assert not (run / "result.json").is_file()


def test_images_of_another_machine_are_refused_each_time(pipeline: Pipeline, tmp_path: Path) -> None:
    """Also by a process that has met them before."""
    found = []

    def over_cluster(address: ClusterAddress, work: Any, items: Iterator[int], *_: object) -> dict[int, TnasError]:
        work.fingerprint = "of other images"
        for item in items:
            with pytest.raises(DataError, match="does not hold the images of this run") as caught:
                work(item, ignore)
            found.append(caught.value)
        raise found[0]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(train_networks, "over_cluster", over_cluster)
        assert trained(pipeline, tmp_path).code == DataError.exit_code
    assert len(found) == 2
    assert not list(tmp_path.rglob("last.pt"))
