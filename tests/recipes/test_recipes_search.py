"""What a search writes, and what it does not write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import SEARCH, TESTING, TRAINING, Pipeline
from tests.recipes.calls import resume, search
from tests.running import succeeding
from tests.scale.test_torchrun import same
from tnas_cli.commands.search import estimate_search
from tnas_cli.errors import CheckpointError, DataError, TnasError
from tnas_cli.recipes.search import STAGE, Search
from tnas_cli.runs import checkpoint, events
from tnas_cli.runs.device import Machine, environment
from tnas_cli.runs.life import Life
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import count
from tnas_cli.spaces.search_network import SearchNetwork


def settings(**changes: object) -> SearchSettings:
    """A search of two tasks."""
    values = {"dataset": "shapes", "way": 3, "query": 2, "channels": 4, "meta_batch": 2, "tasks": 2, "inner_steps": 1}
    return SearchSettings.from_dict(values | {"validate_every": 2, "validation_tasks": 2} | changes)


def machine(cache: Path) -> Machine:
    """One thread of the CPU."""
    return Machine("cpu", 1, cache, offline=True)


def test_a_second_try_in_the_same_process_begins_afresh(pipeline: Pipeline, tmp_path: Path) -> None:
    """As on a cluster, where a process keeps the data and the network. The first try fails after a validation, whose
    checkpoint is not written."""
    work = Search(settings(tasks=4)).prepare(machine(pipeline.cache), events.ignore)
    runs = [RunDirectory.create(tmp_path, "search", work.settings.to_toml(), environment(work.device)) for _ in "ab"]

    def failing(*_: object) -> None:
        raise TnasError("no luck.", hint="try again")

    with pytest.MonkeyPatch.context() as patched, pytest.raises(TnasError, match="no luck"):
        patched.setattr(checkpoint, "save", failing)
        work.units(STAGE, runs[0]).do(Life(runs[0], events.ignore), 0)
    assert not runs[0].last.exists()
    work.units(STAGE, runs[0]).do(Life(runs[0], events.ignore), 0)
    undisturbed = Search(work.settings).prepare(machine(pipeline.cache), events.ignore)
    undisturbed.units(STAGE, runs[1]).do(Life(runs[1], events.ignore), 0)
    assert same(runs[0].last, runs[1].last) and same(runs[0].best, runs[1].best)


@pytest.mark.parametrize("name", ["search", "train-eval"])
def test_a_dry_run_writes_nothing(pipeline: Pipeline, tmp_path: Path, name: str) -> None:
    runs = ("--runs", tmp_path / "runs", "--dry-run", "--json")
    if name == "search":
        result = succeeding("search", *SEARCH, *pipeline.here, *runs).result
    else:
        arguments = ("train-eval", "-", *TRAINING, *TESTING, *pipeline.here, *runs)
        result = succeeding(*arguments, stdin=pipeline.decoded.stdout).result
        assert result["genotypes"] == 2
    assert not (tmp_path / "runs").exists()
    assert result["dry_run"] is True
    assert result["flops_per_task"] > 0
    least = result["steps"] * result["seconds_per_step"] * result.get("genotypes", 1)
    assert result["total_seconds"] >= least > 0


def test_a_dry_run_counts_the_network_of_the_search(pipeline: Pipeline) -> None:
    found = estimate_search(settings(tasks=7), machine=machine(pipeline.cache)).to_json()
    assert found["parameters"] == count(SearchNetwork(way=3, in_channels=1, channels=4).specs())
    assert found["steps"] == 4  # three meta-batches of two tasks and one of one


def test_an_embedded_data_set_is_prepared_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 4, "val": 3, "test": 3})
    said: list[events.Event] = []
    found = search(settings(dataset="glyphs"), runs=tmp_path / "runs", machine=machine(tmp_path), listener=said.append)
    assert (tmp_path / "glyphs-drawn-28.h5").is_file()
    assert any(isinstance(event, events.Note) and "glyphs is not prepared" in event.text for event in said)
    assert found["dataset"] == "glyphs"
    assert Path(found["checkpoint"]).is_file()


def test_runs_are_numbered_and_never_overwritten(pipeline: Pipeline, tmp_path: Path) -> None:
    one, two = (search(settings(), runs=tmp_path, machine=machine(pipeline.cache)) for _ in range(2))
    assert [Path(found["run"]).name[-2:] for found in (one, two)] == ["-1", "-2"]
    first, second = (checkpoint.load(Path(found["checkpoint"]), "tnas/meta-architecture") for found in (one, two))
    assert all(tensor.equal(second.tensors[name]) for name, tensor in first.tensors.items())


def test_another_seed_is_another_search(pipeline: Pipeline, tmp_path: Path) -> None:
    found = [search(settings(seed=seed), runs=tmp_path, machine=machine(pipeline.cache)) for seed in (0, 1)]
    first, second = (checkpoint.load(Path(one["checkpoint"]), "tnas/meta-architecture") for one in found)
    assert not first.tensors["parameters/theta"].equal(second.tensors["parameters/theta"])


def test_every_preset_and_the_second_order_run(pipeline: Pipeline, tmp_path: Path) -> None:
    budget = ("--tasks", 2, "--validate-every", 2, "--inner-steps", 1, "--test-steps", 1)
    for options in (("--preset", "paper"), ("--preset", "authors"), ("--order", "second"), ("--alternating",)):
        ran = succeeding("search", *SEARCH, *budget, *options, "--runs", tmp_path, *pipeline.here, "--json")
        assert ran.result["tasks"] == 2


def test_resuming_on_other_images_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    run = Path(search(settings(), runs=tmp_path, machine=machine(pipeline.cache))["run"])
    (run / "result.json").unlink()
    kept = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(kept | {"fingerprint": "of other images"}))
    with pytest.raises(DataError, match="does not hold the images"):
        resume(run, machine=machine(pipeline.cache))
    (run / "run.json").write_text(json.dumps(kept))
    (run / "best.pt").unlink()
    with pytest.raises(CheckpointError, match=r"best\.pt"):
        resume(run, machine=machine(pipeline.cache))


def test_the_event_log_is_json_lines_without_nan(pipeline: Pipeline) -> None:
    for line in (Path(pipeline.searched.result["run"]) / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
