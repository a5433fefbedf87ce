"""A genotype that a cluster could not train: the others count, the result says so, and a resumed run tries it again."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SEARCH, TESTING, TRAINING, Pipeline
from tests.methods import class_pictures as pictures
from tests.recipes.calls import resume, supervised, transfer
from tests.recipes.test_recipes_supervised import HERE, TINY
from tests.running import Ran, drawing, succeeding, task_folder, tnas
from tnas_cli.errors import DataError, DivergedError, SettingsError, TnasError, WriteError
from tnas_cli.recipes import units
from tnas_cli.recipes.genotypes import read_genotypes
from tnas_cli.recipes.supervised import supervised_settings
from tnas_cli.recipes.transfer import transfer_settings
from tnas_cli.runs.cluster_address import ClusterAddress
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Event, Listener, Note, ignore
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.runs.life import Life
from tnas_cli.runs.lock import one_process
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.scale import workers
from tnas_cli.scale.processes import Work


def without(*failing: int) -> Callable[..., dict[int, TnasError]]:
    """A cluster that is this process, and on which these items fail."""

    def over_cluster(
        address: ClusterAddress,
        work: Work,
        items: Iterator[int],
        seen: Path,
        heard: Callable[[int, Event], None],
        listener: Listener,
        again: str | None,
    ) -> dict[int, TnasError]:
        assert seen.is_absolute() and seen.is_file()
        aside = {}
        for item in items:
            if item in failing:
                aside[item] = TnasError("no luck.", hint="try again")
            else:
                work(item, partial(heard, item))
        return aside

    return over_cluster


def trained(pipeline: Pipeline, runs: Path) -> Any:
    words = ("train-eval", "-", *TRAINING, *TESTING, "--runs", runs, "--cluster", "tcp://nowhere:1", *pipeline.here)
    return tnas(*words, "--json", stdin=pipeline.decoded.stdout)


def test_the_others_count_and_a_resumed_run_tries_again(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "over_cluster", without(1))
    ran = trained(pipeline, tmp_path)
    assert ran.code == 0, ran.stderr
    assert "trained 1 of 2 genotypes: the others were set aside" in ran.stderr
    assert ran.result["genotypes_trained"] == 1
    (aside,) = ran.result["set_aside"]
    assert aside["error"] == "no luck."
    assert aside["name"] != ran.result["per_genotype"][0]["digest"]
    again = succeeding("resume", ran.result["run"], "--json")
    assert again.result["genotypes_trained"] == 2
    assert "set_aside" not in again.result
    assert again.result["mean"] == pipeline.trained.result["mean"]
    kept = json.loads((Path(ran.result["run"]) / "result.json").read_text())
    assert kept["genotypes_trained"] == 2


def genotypes_of(pipeline: Pipeline) -> tuple[Any, ...]:
    return ("train-eval", "-", "--weights", "inherited", "--checkpoint", pipeline.best, *TRAINING, *pipeline.here)


@pytest.mark.parametrize("all_tasks", [False, True])
def test_tests_of_inherited_weights(
    all_tasks: bool, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that fails is one of the tests: with --all-tasks one genotype's, otherwise all tasks of this data set."""
    more = ("--all-tasks", "--test-tasks", 2) if all_tasks else ("--cross", 1)
    words = (*genotypes_of(pipeline), *more, "--runs", tmp_path, "--cluster", "tcp://nowhere:1", "--json")
    monkeypatch.setattr(workers, "over_cluster", without(1))
    ran = succeeding(*words, stdin=pipeline.decoded.stdout)
    assert "not all tests could be made" in ran.stderr
    assert {one["error"] for one in ran.result["set_aside"]} == {"no luck."}
    if all_tasks:
        named = {row["digest"] for row in ran.result["per_genotype"]}
        assert named.isdisjoint(one["name"] for one in ran.result["set_aside"])
    else:
        assert not ran.result["crossed"] and len(ran.result["per_task"]) == 4
    again = succeeding("resume", ran.result["run"], "--json").result
    assert "set_aside" not in again
    assert len(again["per_genotype"] if all_tasks else again["crossed"]) >= 4


@pytest.mark.parametrize(("method", "count"), [("s1", 2), ("s2", 2), ("random", 4)])
def test_supervised(method: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1 and S2 need all searches; of trainings, the others count."""
    path = tmp_path / "signs-drawn-20.h5"
    pictures.characters(path)
    tiny = {**TINY, "dataset": str(path), "method": method}
    chosen, runs = supervised_settings("quick", {}, tiny), tmp_path / "runs"
    there = replace(HERE, cluster=ClusterAddress("tcp://nowhere:1"))
    monkeypatch.setattr(workers, "over_cluster", without(1))
    if method == "random":
        result = supervised([], chosen, runs=runs, machine=there)
        assert result["genotypes_trained"] == count - 1
        assert [one["error"] for one in result["set_aside"]] == ["no luck."]
    else:
        with pytest.raises(TnasError, match="no luck"):
            supervised([], chosen, runs=runs, machine=there)
        (run,) = runs.iterdir()
        assert [file.name for file in (run / "searches").iterdir()] == ["task-0.json"]
    monkeypatch.setattr(workers, "over_cluster", without())
    (run,) = runs.iterdir()
    result = resume(run, machine=there)
    here = supervised([], chosen, runs=runs, machine=HERE)
    assert result.get("set_aside") is None
    assert (result["mean"], result["per_task"]) == (here["mean"], here["per_task"])


def test_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "toy-images-20.h5"
    pictures.cache(path)
    records = [*read_genotypes("NASNet-A"), *read_genotypes("DARTS_V2")]
    tiny = {"layers": 3, "channels": 4, "epochs": 1, "batch": 24, "dataset": str(path)}
    there = Machine("cpu", 1, cluster=ClusterAddress("tcp://nowhere:1"))
    monkeypatch.setattr(workers, "over_cluster", without(1))
    result = transfer(records, transfer_settings("quick", tiny), runs=tmp_path / "runs", machine=there)
    assert result["genotypes_trained"] == 1
    assert [one["error"] for one in result["set_aside"]] == ["no luck."]
    again = resume(Path(result["run"]))
    assert again["genotypes_trained"] == 2 and again.get("set_aside") is None


def fails(*_: object) -> dict[int, TnasError]:
    raise TnasError("no scheduler.", hint="start one")


def test_a_run_keeps_its_result_until_it_has_a_better_one(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "over_cluster", without(1))
    run = Path(trained(pipeline, tmp_path).result["run"])
    before = (run / "result.json").read_text()
    monkeypatch.setattr(workers, "over_cluster", fails)
    ran = tnas("resume", run, "--cluster", "tcp://nowhere:1")
    assert ran.code == TnasError.exit_code
    assert (run / "result.json").read_text() == before


def test_task_folders(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of different shapes are units of their own; one that fails has no record, and the result names it."""
    tasks = [task_folder(tmp_path / str(classes), range(classes)) for classes in (3, 4)]
    words = ("adapt", pipeline.best, *tasks, *pipeline.here, "--cluster", "tcp://nowhere:1")
    monkeypatch.setattr(workers, "over_cluster", without(1))
    ran = tnas(*words, "--json")
    assert ran.code == TnasError.exit_code and "1 of 2 tasks have no answer: no luck.\n" in ran.stderr
    assert [record["task"]["folder"] for record in ran.records[:-1]] == [str(tasks[0])]
    assert ran.result["set_aside"] == [{"name": str(tasks[1]), "error": "no luck."}]
    assert f"adapted to 1 of 2 tasks; set aside: {tasks[1]}\n" in ran.stderr
    assert ran.result["tasks"] == 1
    monkeypatch.setattr(workers, "over_cluster", without(0, 1))
    assert tnas(*words).code == TnasError.exit_code
    refused = tnas("adapt", pipeline.best, tasks[0], "--save", tmp_path / "a.pt", "--cluster", "tcp://nowhere:1")
    assert refused.code == SettingsError.exit_code and "--save has no effect with --cluster" in refused.stderr


def test_tasks_of_a_data_set(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight tasks are a unit; the records of the others are those that one process makes."""
    words = ("adapt", pipeline.best, "--dataset", "shapes", "--tasks", 10, *pipeline.here, "--json")
    here = succeeding(*words)
    monkeypatch.setattr(workers, "over_cluster", without(0))
    ran = tnas(*words, "--cluster", "tcp://nowhere:1")
    assert ran.code == TnasError.exit_code
    assert ran.records[:-1] == here.records[8:-1]
    assert [one["name"] for one in ran.result["set_aside"]] == [f"test task {index}" for index in range(8)]
    assert ran.result["tasks"] == 2


def test_images_of_a_task_folder_on_another_machine_are_refused(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of the same path, in which a file has another picture."""
    task = task_folder(tmp_path / "task", range(3))
    do = without()

    def over_cluster(*given: Any) -> dict[int, TnasError]:
        drawing(0, 7).save(task / "query" / "c00" / "0-100.png")
        return do(*given)

    monkeypatch.setattr(workers, "over_cluster", over_cluster)
    ran = tnas("adapt", pipeline.best, task, *pipeline.here, "--cluster", "tcp://nowhere:1")
    assert ran.code == DataError.exit_code
    assert f"{task} on {platform.node()} does not hold the images that it holds where tnas was called" in ran.stderr


def test_a_unit_that_another_process_still_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "SECONDS_BETWEEN_LOOKS", 0.01)
    file, said = tmp_path / "searches" / "task-3.json", []
    file.parent.mkdir()
    with ExitStack() as other:
        other.enter_context(one_process(file.with_name("task-3.lock")))

        def heard(event: Event) -> None:
            said.append(event)
            other.close()

        with units._held(file, Life(RunDirectory(tmp_path), heard)):
            (note,) = said
    assert isinstance(note, Note) and note.text.endswith(", which still works on searches/task-3.json")


def test_of_several_seeds_one_misses_a_network(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units of all runs are numbered one after another: the last one is the second run's second network."""
    monkeypatch.setattr(workers, "over_cluster", without(3))
    words = ("train-eval", "-", *TRAINING, *TESTING, "--seeds", 2, "--cluster", "tcp://nowhere:1", *pipeline.here)
    ran = tnas(*words, "--runs", tmp_path, "--json", stdin=pipeline.decoded.stdout)
    assert ran.code == 0, ran.stderr
    kept = [json.loads((Path(run) / "result.json").read_text()) for run in ran.result["runs"]]
    assert [one["genotypes_trained"] for one in kept] == [2, 1]
    assert [one["error"] for one in ran.result["set_aside"]] == ["no luck."]
    assert kept[0]["mean"] == pipeline.trained.result["mean"]
    assert ran.result["seeds"] == [0, 1]


def seeds(pipeline: Pipeline, runs: Path, kind: str) -> Ran:
    """A search or a training with two seeds; a search is one unit, a training has two."""
    words = ("search", *SEARCH) if kind == "search" else ("train-eval", "-", *TRAINING, *TESTING)
    there = ("--seeds", 2, "--cluster", "tcp://nowhere:1", "--runs", runs, *pipeline.here)
    return tnas(*words, *there, stdin=pipeline.decoded.stdout)


@pytest.mark.parametrize(("kind", "failing"), [("search", (0,)), ("train-eval", (0, 1))])
def test_of_several_seeds_one_has_no_result(
    kind: str, failing: tuple[int, ...], pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one after it has its own, and the error says which that is and how the failed one goes on."""
    monkeypatch.setattr(workers, "over_cluster", without(*failing))
    ran = seeds(pipeline, tmp_path, kind)
    failed, other = sorted(tmp_path.iterdir())
    assert ran.code == TnasError.exit_code
    assert f"1 of 2 runs have no result: {failed}: no luck." in ran.stderr
    assert f"finished: {other}; continue with: tnas resume {failed}\n" in ran.stderr
    assert (other / "result.json").is_file() and not (failed / "result.json").is_file()
    succeeding("resume", failed)


ERRORS = (
    WriteError("no space.", hint="free some"),
    DivergedError("diverged.", hint="lower the rates"),
    StoppedError(),
)


@pytest.mark.parametrize("error", ERRORS)
def test_what_ends_several_seeds_names_all_of_them(
    error: BaseException, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def over_cluster(*given: Any) -> dict[int, TnasError]:
        found.append(given[-1])
        raise error

    monkeypatch.setattr(workers, "over_cluster", over_cluster)
    ran, runs = seeds(pipeline, tmp_path, "search"), sorted(map(str, tmp_path.iterdir()))
    kept = f"{', '.join(runs)} keep what was saved before"
    each = "continue each: " + "; ".join(f"tnas resume {run}" for run in runs)
    assert len(runs) == 2 and (kept if isinstance(error, DivergedError) else each) in ran.stderr
    # This is what a lost scheduler says.
    assert found == ["; ".join(f"tnas resume {run} --cluster tcp://nowhere:1" for run in runs)]


def test_none_is_left(pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "over_cluster", without(0, 1))
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
        patched.setattr(workers, "over_cluster", over_cluster)
        assert trained(pipeline, tmp_path).code == DataError.exit_code
    assert len(found) == 2
    assert not list(tmp_path.rglob("last.pt"))
