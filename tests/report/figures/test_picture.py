"""Files of figures: complete, the same each time, light or dark, and independent of pyplot."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.helpers import AUTO_MAML_5SHOT, random_genotype
from tests.report.figures.looking import assert_words_stand_apart
from tests.report.figures.test_curves import a_log
from tests.report.figures.test_task_grid import a_task
from tests.report.figures.test_theta_map import a_theta
from tnas_cli.errors import SettingsError
from tnas_cli.report.cell_graph import cells_picture
from tnas_cli.report.figures.accuracies import Reached, accuracies_picture
from tnas_cli.report.figures.curves import FEW_SHOT, curves_picture
from tnas_cli.report.figures.picture import Picture, save, svg_text
from tnas_cli.report.figures.steps import Steps, steps_picture
from tnas_cli.report.figures.task_grid import task_picture
from tnas_cli.report.figures.theme import DARK, LIGHT, THEMES, in_the_dark
from tnas_cli.report.figures.theta_map import Encoding, theta_picture

PICTURE = cells_picture("cells", "two cells", AUTO_MAML_5SHOT, "25,000 weights.")


MEASURED = [
    Reached("t-nas", "omniglot", 0.5, 0.1),
    Reached("maml", "omniglot", 0.75, 0.05),
    Reached("maml", "fc100", 0.4, 0.0),
]


def of_every_kind() -> list[Picture]:
    curves = curves_picture("curves", "a run", {"search": a_log()}, FEW_SHOT)
    assert curves is not None
    adapted = [Steps(f"task {n}", (1.6, 0.5), 5, (0.2, 0.8), (0.2, 1.0)) for n in range(9)]
    return [
        PICTURE,
        task_picture("grid", "a task", a_task()),
        steps_picture("few", "few tasks", adapted[:2]),
        steps_picture("many", "many tasks", adapted),
        theta_picture("theta", "two", [Encoding("meta", a_theta(0)), Encoding("task", a_theta(1), decoded=True)]),
        curves,
        accuracies_picture("accuracies", "all", MEASURED),
    ]


def with_numbered_names(svg: str) -> str:
    """Matplotlib names a shape after what it looks like, its colours among that."""
    known: dict[str, str] = {}
    return re.sub(r"\b[mp][0-9a-f]{10}\b", lambda found: known.setdefault(found[0], f"name{len(known)}"), svg)


@pytest.mark.parametrize("picture", of_every_kind(), ids=lambda picture: picture.name)
def test_drawn_light_and_recoloured_it_is_what_is_drawn_dark(picture: Picture) -> None:
    light, dark = (svg_text(picture.drawn(theme)) for theme in (LIGHT, DARK))
    assert with_numbered_names(in_the_dark(light)) == with_numbered_names(dark) != with_numbered_names(light)


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


def test_accuracies_are_in_order_where_their_bars_say() -> None:
    picture = accuracies_picture("accuracies", "all", MEASURED)
    assert picture.caption.startswith("omniglot: 75.00 ± 5.00% maml, 50.00 ± 10.00% t-nas; fc100: 40.00% maml.")
    figure = picture.draw(LIGHT)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["omniglot", "maml", "t-nas", "fc100", "maml"]
    drawn = [(x, names[y]) for bars in axes.containers for x, y in zip(*bars.lines[0].get_data(), strict=True)]
    assert drawn == [(75, "maml"), (50, "t-nas"), (40, "maml")]
    ends = [segment[:, 0].tolist() for bars in axes.containers for segment in bars.lines[2][0].get_segments()]
    assert ends == [pytest.approx(pair) for pair in ([70, 80], [40, 60], [40, 40])]
    assert_words_stand_apart(figure)
