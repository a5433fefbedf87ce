import json
from pathlib import Path

import pytest

from tnas_cli.errors import DataError, TnasError
from tnas_cli.records.kinds import FixedNetwork, Step
from tnas_cli.records.parts import Environment
from tnas_cli.records.reading import read
from tnas_cli.runs.run_directory import RunDirectory


def create(root: Path, name: str = "search-glyphs") -> RunDirectory:
    return RunDirectory.create(root, name, "way = 5\n", Environment(device="cpu"))


def test_a_new_run_has_its_settings_and_environment(tmp_path: Path) -> None:
    run = create(tmp_path / "a" / "b")
    assert run.path == tmp_path / "a" / "b" / "search-glyphs-1"
    assert (run.path / "settings.toml").read_text() == "way = 5\n"
    assert json.loads((run.path / "environment.json").read_text()) == {"device": "cpu"}
    assert (run.best, run.last) == (run.path / "best.pt", run.path / "last.pt")


def test_numbers_count_up_and_never_meet_what_exists(tmp_path: Path) -> None:
    assert [create(tmp_path).path.name for _ in range(2)] == ["search-glyphs-1", "search-glyphs-2"]
    (tmp_path / "search-glyphs-3").write_text("a file")
    (tmp_path / "search-glyphs-5").mkdir()
    assert [create(tmp_path).path.name for _ in range(2)] == ["search-glyphs-4", "search-glyphs-6"]
    assert create(tmp_path, "other").path.name == "other-1"
    assert (tmp_path / "search-glyphs-3").read_text() == "a file"
    assert not list((tmp_path / "search-glyphs-5").iterdir())


def test_a_name_from_a_strangers_cache_leads_nowhere_else(tmp_path: Path) -> None:
    assert create(tmp_path / "runs", "search-../../x\n").path.parent == tmp_path / "runs"


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    for root in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        with pytest.raises(TnasError, match="cannot write") as caught:
            create(root)
        assert str(root) in caught.value.message
        assert caught.value.exit_code == 1


def test_a_link_to_nowhere_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(tmp_path / "gone")
    with pytest.raises(TnasError, match="Not a directory"):
        create(tmp_path / "runs")


@pytest.mark.parametrize(("number", "words"), [(30, "Read-only file system"), (28, "no space left"), (13, "denied")])
def test_a_folder_that_takes_no_files(number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object, **options: object) -> None:
        raise OSError(number, words)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(TnasError, match=words) as caught:
        create(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_open(tmp_path: Path) -> None:
    made = create(tmp_path)
    assert RunDirectory.open(made.path).path == made.path
    for wrong in (tmp_path, tmp_path / "absent", made.path / "settings.toml"):
        with pytest.raises(DataError, match="not a run directory") as caught:
            RunDirectory.open(wrong)
        assert str(wrong) in caught.value.message
        assert caught.value.exit_code == 3


def test_log_appends_lines(tmp_path: Path) -> None:
    run = create(tmp_path)
    run.log(Step(stage="ü", tasks=4, values={"loss": 0.1}))
    RunDirectory.open(run.path).log(FixedNetwork(network="x"))
    lines = (run.path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"event": "step", "version": 2, "stage": "ü", "tasks": 4, "loss": 0.1},
        {"event": "network", "version": 2, "network": "x"},
    ]


@pytest.mark.parametrize("rest", ["", '{"event": "st', '{"event": "step"}'])
def test_a_half_line_of_a_killed_run_is_not_appended_to(tmp_path: Path, rest: str) -> None:
    run, records = create(tmp_path), [FixedNetwork(network=name) for name in "ab"]
    run.log(records[0])
    with (run.path / "events.jsonl").open("a") as file:
        file.write(rest)
    run.log(records[1])
    assert read(run.path / "events.jsonl") == records


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    run = create(tmp_path)
    (run.path / "events.jsonl").mkdir()
    with pytest.raises(TnasError, match=r"cannot write .*events\.jsonl"):
        run.log(FixedNetwork(network="x"))
