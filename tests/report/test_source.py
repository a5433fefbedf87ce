"""Sources of figures and pages: run directories, files and standard input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.report.results import a_result
from tnas_cli.errors import DataError
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.parts import Environment
from tnas_cli.records.results import Measured
from tnas_cli.report.source import Source, read_sources


def a_run(folder: Path, **parts: str) -> Path:
    folder.mkdir(parents=True)
    files = {"settings.toml": 'dataset = "omniglot"\nway = 5\n', "environment.json": "{}", **parts}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def read_material(sources: Sequence[str | Path], stdin: str | None = None) -> list[Source]:
    """What is read; nothing is left out."""
    found = read_sources(sources, stdin)
    assert not found.left_out
    return found.read


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_a_run_is_read_with_all_its_parts(tmp_path: Path) -> None:
    validated = {"event": "validated", "stage": "ab", "tasks": 4, "accuracy": 0.5, "interval": 0.1}
    run = a_run(
        tmp_path / "train-eval-x-1",
        **{
            "events.jsonl": lines(validated, a_result()),
            "genotypes.jsonl": lines({"event": "genotype", "genotype": {}}),
            "environment.json": '{"threads": 2}',
            "plan.json": '{"limit": 3}',
        },
    )
    (found,) = read_material([run])
    assert (found.name, found.command, found.folder) == ("train-eval-x-1", "train-eval", run)
    assert found.facts.settings == {"dataset": "omniglot", "way": 5}
    assert found.facts.environment == Environment(threads=2) and found.facts.plan.options.limit == 3
    assert found.stages["ab"].validations == [(4, 0.5, 0.1)]
    assert isinstance(found.result, Measured) and found.result.mean == 0.9876 and len(found.of(Decoded)) == 1


def test_what_a_run_is_says_its_own_file(tmp_path: Path) -> None:
    plan = {"version": 2, "kind": "supervised", "options": {"checkpoint": "x.pt"}, "fingerprint": "ab"}
    plan |= {"machine": {"engine": "fused", "threads": 2}, "argv": ["tnas", "supervised"], "settings": {}}
    (found,) = read_material([a_run(tmp_path / "anything", **{"run.json": json.dumps(plan)})])
    assert (found.command, found.setting) == ("supervised", "supervised")
    assert found.facts.plan.options.checkpoint == "x.pt" and found.facts.plan.machine.engine == "fused"
    assert found.facts.plan.argv == ("tnas", "supervised") and found.facts.plan.fingerprint == "ab"
    (old,) = read_material([a_run(tmp_path / "train-eval-1", **{"plan.json": '{"setting": "inherited"}'})])
    assert (old.command, old.setting, old.facts.plan.kind) == ("train-eval", "few-shot", "inherited")


def test_a_run_that_has_just_begun_is_known_by_its_name(tmp_path: Path) -> None:
    (found,) = read_material([a_run(tmp_path / "search-omniglot-5w1s-t-nas-1")])
    assert found.command == "search" and found.result is None and not found.stages
    (found,) = read_material([a_run(tmp_path / "train-eval-omniglot-5w1s-t-nas-1")])
    assert found.command == "train-eval"


def test_files_and_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "adapted.jsonl"
    file.write_text(lines({"event": "adapted", "theta": [[[0.0]]]}, a_result(command="adapt")))
    first, second = read_material([file, "-"], stdin=file.read_text())
    assert first.records == second.records and first.folder is None
    assert (first.name, second.name) == ("adapted", "stdin")


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / part / "run") for part in "abc"]
    assert [material.name for material in read_material(runs)] == ["run", "run-2", "run-3"]


def test_all_runs_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no runs in"):
        read_material([])
    for name in ("b", "a"):
        a_run(tmp_path / "runs" / name)
    a_run(tmp_path / "runs" / "more" / "c")
    assert [material.name for material in read_material([])] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("settings.toml", "way = = 5"),
        ("environment.json", "{"),
        ("environment.json", "[1]"),
        ("plan.json", "nonsense"),
        ("events.jsonl", "nonsense\n{}\n"),
        ("events.jsonl", "\udc80"),
        ("run.json", '{"options": {"limit": "many"}}'),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, part: str, text: str) -> None:
    run = a_run(tmp_path / "run")
    (run / part).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=part):
        read_material([run])


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing does not exist"):
        read_material([tmp_path / "missing"])
    with pytest.raises(DataError, match="not a run directory"):
        read_material([tmp_path])
    with pytest.raises(DataError, match="no standard input"):
        read_material(["-"])


def test_a_record_that_does_not_fit_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    text = lines({"event": "adapted", "theta": "x"}, {"event": "adapted", "theta": [[[0.0]]]}, a_result(mean="high"))
    (found,) = read_material(["-"], stdin=text)
    assert len(found.records) == 1
    first, second = found.problems
    assert first == "standard input, line 1: the adapted's 'theta' is 'x'" and "'mean' is 'high'" in second


def test_of_several_runs_a_bad_one_is_left_out(tmp_path: Path) -> None:
    a_run(tmp_path / "runs" / "good")
    bad = a_run(tmp_path / "runs" / "bad", **{"events.jsonl": "nonsense\n{}\n"})
    for sources in ([tmp_path / "runs"], sorted((tmp_path / "runs").iterdir())):
        found = read_sources(sources)
        assert [source.name for source in found.read] == ["good"]
        (reason,) = found.left_out
        assert reason.startswith("bad: left out: ") and "line 1: not JSON" in reason
    with pytest.raises(DataError, match="line 1: not JSON"):
        read_sources([bad])
    with pytest.raises(DataError, match="none of the runs can be read"):
        read_sources([bad, bad])
