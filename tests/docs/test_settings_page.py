"""The tables of docs/settings.md agree with the fields of the settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.running import tnas

DOCS = Path(__file__).parents[2] / "docs"


def test_the_tables_are_freshly_written(tmp_path: Path) -> None:
    for name in ("write_settings_page.py", "settings.md"):
        shutil.copy(DOCS / name, tmp_path)
    subprocess.run([sys.executable, tmp_path / "write_settings_page.py"], check=True, cwd=tmp_path)
    fresh = (tmp_path / "settings.md").read_text(encoding="utf-8")
    assert fresh == (DOCS / "settings.md").read_text(encoding="utf-8"), "docs/settings.md is out of date: run make docs"


def test_the_refusal_on_the_page_is_what_is_said() -> None:
    lines = (DOCS / "settings.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("$ tnas search --dataset glyphs --method auto-maml --beta-inner 3")
    ran = tnas(*lines[start].split()[2:])
    assert ran.code == 2
    assert ran.stderr.splitlines() == lines[start + 1 : start + 3]
