"""Files of figures: complete, the same each time, light or dark, and independent of pyplot."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.helpers import AUTO_MAML_5SHOT, random_genotype
from tests.report.figures.looking import assert_words_stand_apart
from tnas_cli.errors import SettingsError
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.picture import save, svg_text
from tnas_cli.report.figures.theme import DARK, LIGHT, THEMES

PICTURE = cells_picture("cells", "two cells", AUTO_MAML_5SHOT, "25,000 weights.")


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_ground_is_the_themes(tmp_path: Path, theme: object) -> None:
    path = tmp_path / "a.png"
    save(PICTURE.draw(theme), path)  # type: ignore[arg-type]
    with Image.open(path) as image:
        assert image.convert("RGB").getpixel((1, 1)) == tuple(bytes.fromhex(theme.ground[1:]))  # type: ignore[attr-defined]


def test_svg_is_whole_and_repeats(tmp_path: Path) -> None:
    first, second = svg_text(PICTURE.draw(LIGHT)), svg_text(PICTURE.draw(LIGHT))
    assert first == second != svg_text(PICTURE.draw(DARK))
    assert ElementTree.fromstring(first).tag.endswith("svg")
    save(PICTURE.draw(LIGHT), tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == first


def test_another_ending_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cells\.pdf"):
        save(PICTURE.draw(LIGHT), tmp_path / "cells.pdf")
    assert not list(tmp_path.iterdir())


def test_pyplot_is_not_involved() -> None:
    PICTURE.draw(LIGHT)
    loaded = sys.modules.get("matplotlib.pyplot")
    assert loaded is None or not loaded.get_fignums()


def test_the_caption_is_the_genotype() -> None:
    assert PICTURE.caption == f"25,000 weights. {AUTO_MAML_5SHOT.to_darts()}"


@pytest.mark.parametrize("seed", range(6))
def test_no_words_of_a_cell_cover_others(seed: int) -> None:
    genotype = random_genotype(seed, nodes=4 if seed < 4 else 2)
    assert_words_stand_apart(cells_picture("cells", f"genotype {genotype.digest}", genotype).draw(DARK))
