"""docs/api.md agrees with the docstrings of the Python interface, and the interface has every listed name."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tnas_cli as tnas

ROOT = Path(__file__).parents[2]


def test_the_page_is_freshly_written(tmp_path: Path) -> None:
    script = tmp_path / "write_api_page.py"
    script.write_bytes((ROOT / "docs" / "write_api_page.py").read_bytes())
    subprocess.run([sys.executable, script], check=True, cwd=tmp_path)
    fresh = (tmp_path / "api.md").read_text(encoding="utf-8")
    assert fresh == (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), "docs/api.md is out of date: run make docs"


def test_every_name_is_found_and_documented() -> None:
    assert set(tnas.__all__) <= set(dir(tnas))
    for name in tnas.__all__:
        assert getattr(tnas, name) is getattr(tnas, name)
        assert name == "__version__" or getattr(tnas, name).__doc__


@pytest.mark.slow
def test_a_users_script_passes_a_strict_type_check(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from pathlib import Path

            import tnas_cli as tnas

            settings = tnas.SearchSettings(dataset="glyphs", way=5, shot=1, tasks=200)
            machine = tnas.Machine(device="cpu", threads=2)
            found = tnas.search(settings, runs=Path("runs"), machine=machine, listener=tnas.progress())
            tasks, result = tnas.adapt_dataset(found.checkpoint, "glyphs", tasks=4)
            accuracy: float | None = result.mean
            genotypes, decoded = tnas.decode(found.checkpoint)
            digests: list[str] = [genotype.digest for genotype in genotypes]
            trained = tnas.train_eval(genotypes, tnas.settings_for(genotypes, "quick", {}), limit=1)
            again = tnas.resume(Path(str(trained.run)), changes=tnas.Changes(hours=1.0))
            names: list[str] = [entry.dataset for entry in tnas.data_sets().data_sets]
            """
        )
    )
    checked = subprocess.run(
        # With the project's own settings, which are strict, the cache of `make check` serves here too.
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert checked.returncode == 0, checked.stdout
