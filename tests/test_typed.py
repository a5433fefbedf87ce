"""Type checkers see the types of the Python interface from outside the package."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

#: The types of large packages take a type checker most of its time, and none of them is asked about here.
SETTINGS = """
[mypy]
strict = True
[mypy-torch.*,torchvision.*,numpy.*,matplotlib.*,rich.*,typer.*,PIL.*,h5py.*,numba.*,jinja2.*]
follow_imports = skip
ignore_missing_imports = True
"""
USE = """
import tnas_cli as tnas

found = tnas.search(tnas.SearchSettings(dataset="glyphs", way=5, shot=1, tasks=200))
tasks, result = tnas.adapt_dataset(found.checkpoint, "glyphs", tasks=20)
reveal_type(found.checkpoint)
reveal_type(result.mean)
tnas.SearchSettings(way="five")
tnas.no_such_name
"""


@pytest.mark.slow
def test_a_caller_is_checked(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text(SETTINGS)
    (tmp_path / "use.py").write_text(USE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", "cache", "use.py"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert re.findall(r'Revealed type is "(.*)"', done.stdout) == ["str", "float | None"], done
    errors = re.findall(r"error: .*\[([\w-]+)\]", done.stdout)
    assert errors == ["arg-type", "attr-defined"], done
