"""The life of a run, with a recipe that counts: made, locked, stopped, resumed, changed, finished."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import torch

from tnas_cli.errors import DataError, Interrupted, SettingsError, TnasError
from tnas_cli.records.kinds import FixedNetwork, Record
from tnas_cli.records.reported import CiteResult
from tnas_cli.runs import called, job
from tnas_cli.runs.changes import Changes
from tnas_cli.runs.device import Machine
from tnas_cli.runs.events import Event, Listener, Note, Progress
from tnas_cli.runs.interrupt import SIGNALS
from tnas_cli.runs.life import Life
from tnas_cli.runs.lock import locked
from tnas_cli.runs.recipe import Recipe, Work
from tnas_cli.runs.run_directory import RunDirectory
from tnas_cli.runs.run_file import RunFile


@dataclass(frozen=True)
class Settings:
    hours: float = 0.0
    units: int = 3

    def to_dict(self) -> dict[str, Any]:
        return {"hours": self.hours, "units": self.units}

    def to_toml(self) -> str:
        return f"hours = {self.hours}\nunits = {self.units}\n"


@dataclass(frozen=True)
class Counting(Recipe):
    """Writes a file per unit; `word` is an option of its own."""

    settings: Settings
    word: str = "done"
    given: Sequence[Record] = ()
    kind: ClassVar[str] = "counting"
    changeable: ClassVar[tuple[str, ...]] = ("hours",)
    #: The content hash of the images; a test may replace it.
    fingerprint: ClassVar[str] = "of these images"

    @property
    def options(self) -> Mapping[str, Any]:
        return {"word": self.word}

    @classmethod
    def again(cls, settings: Mapping[str, Any], options: Mapping[str, Any], given: Sequence[Record]) -> Self:
        return cls(Settings(**settings), options["word"], given)

    def changed(self, changes: Changes) -> Self:
        return self if changes.hours is None else replace(self, settings=replace(self.settings, hours=changes.hours))

    def prepare(self, machine: Machine, listener: Listener) -> Work:
        if self.settings.units < 1:
            raise SettingsError("no units.", hint="choose one")
        return Counter(self, self.settings, machine.start(), machine)


@dataclass(frozen=True)
class Counter(Work):
    recipe: Counting
    settings: Settings
    device: torch.device
    machine: Machine
    engine_name: str = "torch"
    name: str = "counting-shapes"
    data_path: Path = field(default=Path("shapes.h5"))

    @property
    def fingerprint(self) -> str:
        return type(self.recipe).fingerprint

    def run(self, life: Life) -> CiteResult:
        for unit in range(self.settings.units):
            life.once(f"units/{unit}.json", lambda unit=unit: {"unit": unit, "word": self.recipe.word})
            life.listener(Progress("count", unit + 1, self.settings.units, "units"))
        names = tuple(json.loads(path.read_text())["word"] for path in sorted(life.run.path.glob("units/*.json")))
        return CiteResult(methods=names, datasets=(self.machine.engine,), references=len(names))

    def reopen(self, run: RunDirectory) -> None:
        (run.path / "units" / "0.json").unlink(missing_ok=True)


RECIPES = {"counting": lambda: Counting}
HERE = Machine("cpu", 1)


def start(folder: Path, recipe: Counting | None = None, **options: Any) -> CiteResult:
    return job.start(recipe or Counting(Settings()), CiteResult, runs=folder, **{"machine": HERE, **options})


def stopping_at(done: int, number: int = signal.SIGINT) -> Listener:
    """Sends this process a signal when so many units are done."""

    def listener(event: Event) -> None:
        if isinstance(event, Progress) and event.done == done:
            os.kill(os.getpid(), number)

    return listener


def stopped(folder: Path, **options: Any) -> Path:
    with pytest.raises(Interrupted):
        start(folder, listener=stopping_at(2), **options)
    (run,) = folder.iterdir()
    return run


def test_a_run_says_in_one_file_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(called, "_words", ("tnas", "count", "--units", "3"))
    given = [FixedNetwork(network="4conv-32", channels=32)]
    machine = Machine("cpu", 1, Path("cache"))
    result = start(tmp_path, Counting(Settings(), "said", given), machine=machine)
    run = tmp_path / "counting-shapes-1"
    file = RunFile.read(run)
    assert (file.kind, file.settings, file.options) == ("counting", {"hours": 0.0, "units": 3}, {"word": "said"})
    assert file.fingerprint == "of these images"
    # The chosen engine and the full path of the data: nothing depends on the working directory.
    assert file.machine == Machine("cpu", 1, Path("cache").resolve(), engine="torch")
    assert file.argv == result.argv == ("tnas", "count", "--units", "3")
    assert json.loads((run / "genotypes.jsonl").read_text())["network"] == "4conv-32"
    assert (run / "settings.toml").read_text() == "hours = 0.0\nunits = 3\n"
    assert json.loads((run / "environment.json").read_text())["device"] == "cpu"
    assert job.result_of(run) == result
    assert json.loads((run / "events.jsonl").read_text().splitlines()[-1]) == result.to_json()


def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no units"):
        start(tmp_path / "runs", Counting(Settings(units=0)))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_between_units_and_the_hint_goes_on(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "my runs"
    with pytest.raises(Interrupted) as caught:
        start(folder, listener=stopping_at(2, number))
    run = folder / "counting-shapes-1"
    assert caught.value.exit_code == 130
    assert caught.value.hint == f"continue with: tnas resume '{run}'"  # quoted for the shell
    assert sorted(path.name for path in (run / "units").iterdir()) == ["0.json", "1.json"]
    assert job.result_of(run) is None


def test_resuming_does_only_what_is_left_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(tmp_path, recipe=Counting(Settings(), "mine"))
    before = (run / "units" / "0.json").stat().st_mtime_ns
    monkeypatch.chdir("/")
    result = job.resume(run, RECIPES)
    assert isinstance(result, CiteResult)
    assert (result.methods, result.datasets) == (("mine",) * 3, ("torch",))
    assert not result.again
    assert (run / "units" / "0.json").stat().st_mtime_ns == before


def test_what_the_machine_names_replaces_the_runs_own(tmp_path: Path) -> None:
    run = stopped(tmp_path, machine=Machine("cpu", 1, engine="fused"))
    assert job.resume(run, RECIPES, machine=Machine(engine="torch")).to_json()["datasets"] == ["torch"]
    assert Machine("cpu", 2).or_else(Machine("cuda", 8, Path("c"), engine="fused")) == Machine(
        "cpu", 2, Path("c"), offline=True, engine="fused"
    )


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    result = start(tmp_path)
    run = tmp_path / "counting-shapes-1"
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said: list[Event] = []
    again = job.resume(run, RECIPES, listener=said.append)
    assert again == replace(result, again=True)
    assert any(isinstance(event, Note) and "is finished" in event.text for event in said)
    assert files == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_change_gives_a_finished_run_more_to_do_and_stays(tmp_path: Path) -> None:
    start(tmp_path)
    run = tmp_path / "counting-shapes-1"
    (run / "units" / "1.json").write_text('{"word": "kept"}')
    result = job.resume(run, RECIPES, changes=Changes(hours=2.0))
    assert isinstance(result, CiteResult)
    assert result.methods == ("done", "kept", "done")
    assert RunFile.read(run).settings["hours"] == 2.0
    assert "hours = 2.0" in (run / "settings.toml").read_text()


def test_changes_that_a_recipe_does_not_take_are_refused(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    with pytest.raises(SettingsError, match="--side-by-side has no effect"):
        job.resume(run, RECIPES, changes=Changes(side_by_side=2))


def test_a_running_run_names_the_process_that_works_on_it(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    with locked(run), pytest.raises(TnasError, match=f"is running already: process {os.getpid()} on"):
        job.resume(run, RECIPES)
    assert isinstance(job.resume(run, RECIPES), CiteResult)
    assert not list(run.glob(".*"))


def test_other_images_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stopped(tmp_path)
    monkeypatch.setattr(Counting, "fingerprint", "of others")
    with pytest.raises(DataError, match="does not hold the images"):
        job.resume(run, RECIPES)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not a run that can be continued"),
        ("{", "not a run that can be continued"),
        ('{"version": 2}', "not a run that can be continued"),
        ('{"version": 3, "package_version": "9.0"}', "has version 3"),
    ],
)
def test_folders_that_are_no_runs(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=words):
        job.resume(tmp_path, RECIPES)


def test_a_run_of_an_unknown_kind_and_one_of_version_0_1(tmp_path: Path) -> None:
    run = stopped(tmp_path)
    with pytest.raises(DataError, match="a run of the unknown kind 'counting'"):
        job.resume(run, {"search": lambda: Counting})
    (run / "run.json").unlink()
    with pytest.raises(DataError) as caught:
        job.resume(run, RECIPES)
    assert "tnas 0.1" in caught.value.hint


def test_a_run_that_was_killed_before_the_last_line_of_its_log_gets_it_once(tmp_path: Path) -> None:
    result = start(tmp_path)
    run = tmp_path / "counting-shapes-1"
    log = run / "events.jsonl"
    whole = log.read_text()
    log.write_text(whole[:-20])
    (run / ".best.pt.1234.part").write_text("half")
    for _ in range(2):
        assert job.resume(run, RECIPES) == replace(result, again=True)
        assert log.read_text() == whole
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("killed", ["reopen", "run.json"])
def test_a_run_that_was_killed_while_it_is_changed_does_not_pass_for_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    start(tmp_path)
    run = tmp_path / "counting-shapes-1"

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(*((Counter, "reopen") if killed == "reopen" else (RunFile, "write")), kill)
        job.resume(run, RECIPES, changes=Changes(hours=2.0))
    assert job.result_of(run) is None
    assert RunFile.read(run).settings["hours"] == 0.0
    assert not job.resume(run, RECIPES, changes=Changes(hours=2.0)).again
    assert RunFile.read(run).settings["hours"] == 2.0
