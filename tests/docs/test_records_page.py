"""docs/records.md agrees with the docstrings of the records, and its example runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.records.examples import an_adapted
from tnas_cli.records import writing
from tnas_cli.records.reading import _BY_COMMAND, _BY_EVENT

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "records.md").read_text(encoding="utf-8")


def test_the_tables_are_freshly_written(tmp_path: Path) -> None:
    for name in ("write_records_page.py", "records.md"):
        shutil.copy(DOCS / name, tmp_path)
    subprocess.run([sys.executable, tmp_path / "write_records_page.py"], check=True, cwd=tmp_path)
    fresh = (tmp_path / "records.md").read_text(encoding="utf-8")
    assert fresh == TEXT, "docs/records.md is out of date: run make docs"


def test_every_kind_of_record_is_on_the_page() -> None:
    for cls in {*_BY_EVENT.values(), *_BY_COMMAND.values()}:
        assert f": {cls.__name__}\n" in TEXT, cls


def test_every_link_to_a_part_leads_somewhere() -> None:
    headings = {line.removeprefix("### ").lower() for line in TEXT.splitlines() if line.startswith("### ")}
    assert set(re.findall(r"\]\(#(\w+)\)", TEXT)) <= headings


def test_the_example_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapted.jsonl").write_text(writing.line(an_adapted()))
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(example, "docs/records.md", "exec"), {})
    assert capsys.readouterr().out == "0 0.96\n"
