"""docs/licences.md names every package that pyproject.toml asks for, for use, with a licence; CITATION.cff is of this
version. What those packages need is in the page, too, and is not compared."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tnas_cli.version import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROWS = dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE))


def test_every_dependency_has_its_licence() -> None:
    wanted = [*PROJECT["dependencies"]]
    for extra in ("tensorboard", "onnx", "cluster"):
        wanted += PROJECT["optional-dependencies"][extra]
    names = {Requirement(text).name for text in wanted}
    assert names <= set(ROWS), "python docs/write_licences_page.py"
    assert not [name for name in names if ROWS[name] == "not stated"]


def test_versions_agree() -> None:
    assert PROJECT["version"] == __version__
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
