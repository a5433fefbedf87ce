"""`tnas reproduce` as it is called: the table, the records, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Pipeline
from tests.running import succeeding, tnas
from tnas_cli.cli.reproduce import _ours
from tnas_cli.records.reported import ReproducedCell


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("tabel2",), 2, "is not a table"),
        (("table2", "--hours", 0), 2, "--hours is 0"),
        (("table2", "--row", "tnas"), 2, "did you mean 't-nas'?"),
        (("table2", "--dry-run", "--tensorboard"), 2, "--tensorboard"),
        (("table3", "--row", "t-nas", "--hours", 1, "--offline"), 3, "stand in, by --dataset"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    pipeline: Pipeline, tmp_path: Path, options: tuple[object, ...], code: int, said: str
) -> None:
    ran = tnas("reproduce", *options, "--runs", tmp_path, *pipeline.here)
    assert ran.code == code and said in ran.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("column", "said"), [("1-shot", "75.0"), ("error (%)", "25.0"), ("top-1 error (%)", "25.0")])
def test_a_column_of_errors_has_errors(column: str, said: str) -> None:
    cell = ReproducedCell(row="x", method="x", column=column, paper=None, state="measured", mean=0.75, interval=0.01)
    assert _ours(cell).startswith(said)


def test_the_paper_and_ours_stand_beside_each_other(pipeline: Pipeline, tmp_path: Path) -> None:
    wish = ("reproduce", "2", "--row", "matching-nets", "--shot", 1, "--dataset", "glyphs", "--hours", 0.0003)
    call = (*wish, "--test-tasks", 4, "--runs", tmp_path, *pipeline.here)
    ran = succeeding(*call)
    assert "paper 1-shot" in ran.stdout and "98.1%" in ran.stdout and "trained on" in ran.stdout
    assert "these are other tasks" in ran.stderr and "not in its table" not in ran.stderr
    assert f"next: tnas report {tmp_path}/table-2 --table 2" in ran.stderr
    again = succeeding(*call, "--json")
    cell, result = again.records
    assert cell["event"] == "cell" and cell["state"] == "measured" and result["cells"][0]["mean"] == cell["mean"]
    beyond = (*call, "--row", "r2d2", "--runs", tmp_path / "beyond")
    ran = succeeding(*beyond)
    assert "rows without a number of the paper are not in its table" in ran.stderr
    lines = ran.stdout.splitlines()
    first, second = (next(n for n, line in enumerate(lines) if name in line) for name in ("Matching", "R2-D2"))
    assert any(not line.strip() for line in lines[first:second])
    assert [cell["paper"] for cell in succeeding(*beyond, "--json").records[-1]["cells"]] == ["98.1%", None]
    other = tnas(*call, "--seed", 1)
    assert other.code == 2 and "made with seed = 0, and not 1" in other.stderr


def test_the_next_line_names_the_answers_of_a_network_that_no_run_holds(pipeline: Pipeline, tmp_path: Path) -> None:
    wish = ("reproduce", "3", "--row", "base-softmax", "--shot", 5, "--dataset", "glyphs", "--hours", 0.0003)
    ran = succeeding(*wish, "--test-tasks", 4, "--runs", tmp_path, *pipeline.here)
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("next: ")]
    words = line.removeprefix("next: tnas ").split()
    assert words[:3] == ["report", f"{tmp_path}/table-3", f"{tmp_path}/table-3/base-softmax-5-shot/adapted.jsonl"]
    assert "BASE (Softmax) search network, adapted: glyphs" in succeeding(*words).stdout.replace("\n", " ")
