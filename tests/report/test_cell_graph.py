"""Pictures of genotypes: what is written, that it is the same each time, and that text fits its boxes."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.helpers import AUTO_MAML_1SHOT, AUTO_MAML_5SHOT, random_genotype
from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.report.cell_graph import LOOKS, draw, look, to_dot
from tnas_cli.report.cell_layout import LABEL_HEIGHT, LABEL_WIDTH
from tnas_cli.spaces.operations_table import TABLE, Family

DOT_EDGE = re.compile(r'"(normal|reduce)_(\d+)" -> "(normal|reduce)_(\d+)" \[label="(\w+)"')


@pytest.mark.parametrize("seed", range(5))
def test_dot_holds_exactly_the_genotypes_edges(seed: int) -> None:
    genotype = random_genotype(seed)
    found = [
        (cell, operation, int(source), int(node))
        for cell, source, _, node, operation in (match.groups() for match in DOT_EDGE.finditer(to_dot(genotype)))
    ]
    expected = [
        (cell, operation, source, index // 2 + 2)
        for cell in ("normal", "reduce")
        for index, (operation, source) in enumerate(genotype.cell(cell))
    ]
    assert found == expected


def test_dot_is_balanced_and_every_statement_ends() -> None:
    text = to_dot(AUTO_MAML_1SHOT)
    assert text.startswith("digraph genotype {") and text.count("{") == text.count("}") == 3
    assert text.count('"') % 2 == 0
    inner = [line.strip() for line in text.splitlines() if line.strip() not in {"}", ""}]
    assert all(line.endswith((";", "{")) for line in inner)
    named, used = set(re.findall(r'"(\w+_\d+)" \[label', text)), set(re.findall(r'"(\w+_\d+)" ->', text))
    assert used <= named


def test_svg_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    draw(AUTO_MAML_5SHOT, first)
    draw(AUTO_MAML_5SHOT, second)
    assert first.read_bytes() == second.read_bytes()
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    draw(AUTO_MAML_1SHOT, second)
    assert first.read_bytes() != second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_png_is_the_same_each_time_and_shows_every_family(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.PNG"
    draw(AUTO_MAML_5SHOT, first, title="5-shot, $5 & <b>")
    draw(AUTO_MAML_5SHOT, second, title="5-shot, $5 & <b>")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    families: tuple[Family, ...] = ("separable", "dilated", "pool", "skip")
    for family in families:
        fill = LOOKS[family].fill
        assert tuple(bytes.fromhex(fill[1:])) in colours


def test_every_operation_has_a_look_and_its_name_fits_its_box() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=100)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for operation in TABLE[1:]:
        assert look(operation).line.startswith("#")
        box = figure.text(0.5, 0.5, operation.title, fontsize=10.5).get_window_extent(renderer)
        assert box.width / 100 < LABEL_WIDTH - 0.1 and box.height / 100 < LABEL_HEIGHT - 0.05


def test_colours_differ_in_lightness_between_neighbouring_families() -> None:
    """Fill and text have contrast in gray, and no two families share both dashes and a similar gray."""

    def gray(colour: str) -> float:
        red, green, blue = bytes.fromhex(colour[1:])
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255

    families = LOOKS
    assert all(gray(family.fill) > 0.8 for family in families.values())
    assert len({str(family.dashes) + family.dot_style for family in families.values()}) == len(LOOKS)


@pytest.mark.parametrize("name", ["cell.pdf", "cell", "cell.svg.gz"])
def test_another_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(name)) as caught:
        draw(AUTO_MAML_1SHOT, tmp_path / name)
    assert ".svg" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(TnasError, match=re.escape(str(blocked / "cell.svg"))):
        draw(AUTO_MAML_1SHOT, blocked / "cell.svg")
