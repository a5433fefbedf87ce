"""The records beside docs/results.md are read by this version, and the page says what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tnas_cli.commands.report import ranks
from tnas_cli.records.kinds import Decoded
from tnas_cli.records.reading import read
from tnas_cli.records.reported import ReproduceResult
from tnas_cli.records.results import TrainResult

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "results.md").read_text(encoding="utf-8")
RECORDS = DOCS / "results"


@pytest.mark.parametrize(
    "name", ["affordable", "t-nas-1shot", "t-nas-5shot", "24-genotypes-scratch", "24-genotypes-inherited"]
)
def test_every_measured_number_is_on_the_page(name: str) -> None:
    found = list(read(RECORDS / f"{name}.jsonl", kind=TrainResult))
    assert found
    for result in found:
        assert f"{100 * result.mean:.2f} ± {100 * result.interval:.2f}%" in PAGE, result.run


@pytest.mark.parametrize(
    ("name", "cells"),
    [("table2-1shot", 10), ("table2-5shot", 10), ("table6-fc100-1shot", 18), ("table6-fc100-5shot", 18)],
)
def test_the_tables_by_one_command_are_on_the_page(name: str, cells: int) -> None:
    found = [cell for result in read(RECORDS / f"{name}.jsonl", kind=ReproduceResult) for cell in result.cells]
    assert len(found) == cells
    for cell in found:
        measured = f"{100 * cell.mean:.2f} ± {100 * cell.interval:.2f}%"  # type: ignore[operator]  # all are measured
        rows = [line for line in PAGE.splitlines() if line.startswith(f"| {cell.row} | ")]
        assert any(f" | {cell.paper} | {measured} | " in row for row in rows), (cell.row, measured)


def test_the_genotypes_are_those_that_were_measured() -> None:
    digests = {record.digest for record in read(RECORDS / "24-genotypes.jsonl", kind=Decoded)}
    assert len(digests) == 24
    for name in ("scratch", "inherited"):
        (result,) = read(RECORDS / f"24-genotypes-{name}.jsonl", kind=TrainResult)
        assert {row.digest for row in result.per_genotype or ()} == digests
    found = ranks([RECORDS / f"24-genotypes-{name}.jsonl" for name in ("inherited", "scratch")])
    assert f"Kendall's tau is {found.tau:.2f} ± {found.interval:.2f}" in PAGE
