"""`tnas report` as a user runs it: sources, formats, streams, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.report.kept import a_trained_run, an_adaptation
from tests.report.results import a_result, a_run
from tests.running import tnas as in_process
from tnas_cli.cli.report import report
from tnas_cli.errors import DataError, SettingsError, TnasError
from tnas_cli.report.paper_tables import paper_table

app = typer.Typer()
app.command()(report)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return a_run(tmp_path / "runs" / "train-eval-1", a_result())


def tnas(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run `tnas report`; gives stdout, raises what the command raises."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_formats_hold_our_number(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert "98.76 ± 0.34 [1]" in tnas(run)
    assert "98.76 ± 0.34" in tnas(run, "--format", "markdown")
    assert any(row["our_mean"] == "98.76" for row in csv.DictReader(io.StringIO(tnas(run, "--format", "csv"))))
    assert json.loads(tnas(run, "--format", "json"))["table"] == 2
    assert r"98.76 $\pm$ 0.34" in tnas(run, "--format", "latex")


@pytest.mark.parametrize("number", range(2, 9))
def test_a_narrow_terminal_cuts_no_number(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    paper = paper_table(number)
    about = {"setting": paper.setting, "dataset": paper.dataset, "protocol": paper.protocol, "device": "cuda"}
    about |= {"way": paper.way or 0, "query": paper.query or 15, "search_seconds": 5000.0, "top5_mean": 0.91}
    shots = paper.shots or (0,)
    runs = [a_run(tmp_path / str(s), a_result(**about, shot=s, run=str(s), seeds=[0, 1, 2, 3, 4])) for s in shots]
    text = tnas(*runs, "--table", str(number))
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    for row in paper.rows:
        for column in paper.columns:
            assert row.cells[column.key].removesuffix("%").removesuffix(" min") in text
    for mark in range(1, len(shots) + 1):
        assert f" [{mark}]" in text.split("Paper:")[0]
    (line,) = [line for line in text.splitlines() if line.startswith("T-NAS (")]
    assert line.count("[") == (len(shots) if paper.setting == "few-shot" else len(paper.columns))


def test_a_wide_terminal_folds_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    five = a_run(run.parent / "five", a_result(shot=5, mean=0.995, run="five"))
    (line,) = [line for line in tnas(run, five).splitlines() if line.startswith("T-NAS (")]
    assert "99.16 ± 0.34  99.93 ± 0.07  98.76 ± 0.34 [1]  99.50 ± 0.34 [2]" in line


def test_below_the_table_each_of_ours_has_what_belongs_to_it(run: Path) -> None:
    (line,) = [line for line in tnas(run).splitlines() if line.startswith("[1]   1-shot")]
    assert line.split() == ["[1]", "1-shot", "−0.40", "±", "0.34", "600", "16%", "0.0067%", "from", "scratch", "0"]


def test_json_lines_end_with_the_result(run: Path) -> None:
    lines = [json.loads(line) for line in tnas(run, "--json").splitlines()]
    assert [line["event"] for line in lines] == ["table", "result"]
    assert lines[-1]["command"] == "report" and lines[-1]["measured"] == 1


def test_stdin_and_files_and_runs_together(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps(a_result(shot=5, run="file")) + "\n", encoding="utf-8")
    text = tnas(run, file, "-", "--json", stdin=json.dumps(a_result(dataset="glyphs", run="pipe")))
    assert json.loads(text.splitlines()[-1])["measured"] == 3


def test_without_arguments_all_measured_runs_are_taken(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_run(tmp_path / "runs" / "search-1", {"event": "result", "command": "search"})
    a_run(tmp_path / "runs" / "unfinished")
    a_run(tmp_path / "runs" / "train-eval-2", a_result(shot=5, run="two"))
    monkeypatch.chdir(tmp_path)
    assert json.loads(tnas("--json").splitlines()[-1])["measured"] == 2


@pytest.mark.parametrize(
    ("name", "start"),
    [("t.md", "### Table 2"), ("t.csv", "table,"), ("t.json", "{"), ("t.tex", "% needs"), ("t.txt", "98.76 ± 0.34%")],
)
def test_a_file_gets_the_format_of_its_ending(run: Path, tmp_path: Path, name: str, start: str) -> None:
    path = tmp_path / "new" / name
    assert tnas(run, "--output", path) == ""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(start) and "98.76" in text and "\x1b" not in text


def test_compare_prints_the_difference(tmp_path: Path) -> None:
    a = a_trained_run(tmp_path / "a", (1, [0.9, 0.8, 1.0, 0.6]))
    b = an_adaptation(tmp_path / "b.jsonl", [0.8, 0.8, 0.8, 0.7])
    assert "A - B: +5.00 ± 12.65 points" in tnas("--compare", a, b)
    assert "A - B: -5.00 ± 12.65 points" in tnas(b, a, "--compare")
    comparison, result = [json.loads(line) for line in tnas("--compare", a, b, "--json").splitlines()]
    assert comparison["event"] == "comparison" and comparison["equal"] == 1
    assert (result["event"], result["command"]) == ("result", "report")
    assert result["difference"] == comparison["difference"] == pytest.approx(5)


def expecting(tmp_path: Path, *least: float) -> Path:
    file = tmp_path / "expected.toml"
    file.write_text("".join(f'[[expect]]\nmethod = "t-nas"\nshot = 1\nat_least = {value}\n' for value in least))
    return file


def test_check_says_each_expectation(run: Path, tmp_path: Path) -> None:
    text = tnas(run, "--check", expecting(tmp_path, 0.9, 0.98))
    assert text.splitlines() == [
        "met: method t-nas, shot 1: 98.76, expected 90.00 to 100.00",
        "met: method t-nas, shot 1: 98.76, expected 98.00 to 100.00",
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_check_ends_with_code_5_after_the_last_line(run: Path, tmp_path: Path, as_json: bool) -> None:
    file = expecting(tmp_path, 0.99, 0.9)
    ran = in_process("report", run, "--check", file, *(["--json"] if as_json else []))
    assert ran.code == 5 and f"error: 1 of 2 expectations in {file} are not met." in ran.stderr
    if as_json:
        first, second, result = ran.records
        assert (first["status"], second["status"]) == ("outside", "met")
        assert (result["event"], result["expectations"], result["met"]) == ("result", 2, 1)
    else:
        assert [line.split(":")[0] for line in ran.stdout.splitlines()] == ["outside", "met"]


def test_nothing_measured_meets_no_expectation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = expecting(tmp_path, 0.0)
    monkeypatch.chdir(tmp_path)
    ran = in_process("report", "--check", file)
    assert ran.code == 5 and ran.stdout.startswith("not measured: method t-nas, shot 1")
    assert in_process("report", "nowhere", "--check", file).code == 3


WRONG: list[tuple[list[str], str | None, type[TnasError], str]] = [
    (["-"], "", DataError, "standard input is empty"),
    (["-"], "{}\n{broken", DataError, "standard input, line 2"),
    (["nowhere"], None, DataError, "nowhere does not exist"),
    ([], None, DataError, "runs"),
    (["RUN", "--table", "9"], None, SettingsError, "table 9"),
    (["RUN", "--format", "html"], None, SettingsError, "'html'"),
    (["RUN", "--json", "--format", "csv"], None, SettingsError, "--format csv"),
    (["RUN", "--compare"], None, SettingsError, "takes two results, but 1 were given"),
    (["RUN", "-", "--compare"], None, SettingsError, "does not read standard input"),
    (["RUN", "RUN", "--compare", "--format", "csv"], None, SettingsError, "--compare and --format exclude"),
    (["RUN", "RUN", "--compare", "--check", "x.toml"], None, SettingsError, "--compare and --check exclude"),
    (["RUN", "RUN", "--compare"], None, DataError, "names no networks"),
    (["RUN", "--check", "x.toml"], None, DataError, "cannot read x.toml"),
    (["RUN", "--output", "RUN/events.jsonl/x.md"], None, TnasError, "events.jsonl/x.md"),
]


@pytest.mark.parametrize(("arguments", "stdin", "error", "message"), WRONG, ids=[m for *_, m in WRONG])
def test_wrong_input(
    arguments: list[str],
    stdin: str | None,
    error: type[TnasError],
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(error) as caught:
        tnas(*(argument.replace("RUN", str(run)) for argument in arguments), stdin=stdin)
    assert message in caught.value.message and caught.value.hint
