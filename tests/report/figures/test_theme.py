"""Both themes are readable: text and lines have contrast, and lines differ in more than colour."""

from __future__ import annotations

import pytest

from tests.report.figures.looking import contrast
from tnas_cli.report.cell_graph import LOOKS, STATE_FILL
from tnas_cli.report.figures.theme import THEMES, Theme


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_words_and_lines_stand_out_from_the_ground(theme: Theme) -> None:
    assert contrast(theme.ink, theme.ground) > 12
    assert contrast(theme.quiet, theme.ground) > 4.5
    for colour in (*theme.colours, theme.right, theme.wrong):
        assert contrast(colour, theme.ground) > 4.5, colour


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_lines_differ_without_colour(theme: Theme) -> None:
    strokes = [theme.stroke(number) for number in range(6)]
    assert len({stroke.colour for stroke in strokes}) == 6
    assert len({(str(stroke.dashes), stroke.marker) for stroke in strokes}) == 6
    assert len({(stroke.colour, str(stroke.dashes)) for stroke in map(theme.stroke, range(30))}) == 30


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_labels_of_cells_can_be_read(theme: Theme) -> None:
    for look in LOOKS.values():
        assert contrast(theme.ink, theme.shown(look.fill)) > 7
        assert contrast(theme.shown(look.line), theme.ground) > 3
    assert contrast(theme.ink, theme.shown(STATE_FILL)) > 7
