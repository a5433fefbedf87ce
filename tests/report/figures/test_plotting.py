"""A person's settings for plots change nothing here, and nothing here changes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import command

STYLE = "axes.facecolor: red\nfont.size: 40\nlines.linewidth: 9\nsavefig.dpi: 10\nsavefig.bbox: tight\nnonsense: 1\n"


def drawn(folder: Path, **environment: str) -> tuple[bytes, str]:
    """An SVG file of DARTS's cells, drawn in a process of its own with these variables, and what it said."""
    folder.mkdir(exist_ok=True)
    ran = subprocess.run(
        command("decode", "DARTS_V2", "--picture", "x.svg"),
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path), **environment},
    )
    assert ran.returncode == 0, ran.stderr
    return (folder / "x.svg").read_bytes(), ran.stderr


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, str]:
    return drawn(tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "tkagg", "no such"])
def test_a_backend_that_is_missing(usual: tuple[bytes, str], tmp_path: Path, backend: str) -> None:
    assert drawn(tmp_path, MPLBACKEND=backend) == usual


@pytest.mark.parametrize("where", ["here", "named", "configured"])
def test_a_style_of_ones_own(usual: tuple[bytes, str], tmp_path: Path, where: str) -> None:
    place = {"here": tmp_path, "named": tmp_path / "style", "configured": tmp_path / ".config" / "matplotlib"}[where]
    place.mkdir(parents=True, exist_ok=True)
    (place / "matplotlibrc").write_text(STYLE)
    named = {"MATPLOTLIBRC": str(place / "matplotlibrc")} if where == "named" else {}
    assert drawn(tmp_path, **named) == usual


def test_a_cache_folder_that_cannot_be_made(usual: tuple[bytes, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert drawn(tmp_path, MPLCONFIGDIR=str(tmp_path / "file" / "below")) == usual


def test_the_settings_of_a_notebook_stay_as_they_are() -> None:
    import matplotlib

    from tnas_cli.report.figures.plotting import own_settings

    with matplotlib.rc_context({"font.size": 33.0}):
        with own_settings():
            assert matplotlib.rcParams["font.size"] == matplotlib.rcParamsDefault["font.size"]
            matplotlib.rcParams["font.size"] = 5.0
        assert matplotlib.rcParams["font.size"] == 33.0
