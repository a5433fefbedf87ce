"""Colours of all figures, for a light and for a dark background.

Lines take Okabe and Ito's colours, darkened on white and lightened on black until they stand out; a second sign
(dashes, a marker, a shape) always says the same, so that a figure can be read in gray. The two backgrounds differ by
one table of colours, so that a figure is drawn once for both.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tnas_cli.spelling import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Stroke(NamedTuple):
    """One line among several: its colour, and the dashes and the marker that tell it apart without colour."""

    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str


@dataclass(frozen=True)
class Theme:
    """`ground` is the background, `ink` for text, `quiet` for secondary text, `rule` for lines that guide the eye."""

    name: str
    ground: str
    ink: str
    quiet: str
    rule: str
    colours: tuple[str, ...]
    right: str
    wrong: str

    def shown(self, colour: str) -> str:
        """What a colour for a light background becomes on this one."""
        return IN_THE_DARK.get(colour, colour) if self.name == "dark" else colour

    def stroke(self, number: int) -> Stroke:
        """The look of line `number`; colours repeat after six lines, pairs of colour and dashes only after thirty."""
        colour = self.colours[number % len(self.colours)]
        dashes = DASHES[(number + number // len(self.colours)) % len(DASHES)]
        return Stroke(colour, dashes, MARKERS[number % len(MARKERS)])


DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "-",
    (0, (5.0, 1.6)),
    (0, (1.3, 1.3)),
    (0, (6.0, 1.6, 1.3, 1.6)),
    (0, (9.0, 2.0)),
)
MARKERS = ("o", "s", "^", "D", "v", "P")

LIGHT = Theme(
    name="light",
    ground="#FFFFFF",
    ink="#1A1A1A",
    quiet="#595959",
    rule="#D4D4D4",
    colours=("#0072B2", "#A63F00", "#00704F", "#8F4A78", "#7A5C00", "#1A1A1A"),
    right="#0072B2",
    wrong="#C04A00",
)
#: Colours on white, and what they become on black. A colour that is not here is the same on both.
IN_THE_DARK = {
    "#FFFFFF": "#16181C",
    "#1A1A1A": "#F0F0F0",
    "#595959": "#ABB0B8",
    "#D4D4D4": "#3C4048",
    "#0072B2": "#56B4E9",
    "#A63F00": "#F0945A",
    "#00704F": "#3ED0A0",
    "#8F4A78": "#DDA0C8",
    "#7A5C00": "#F0E442",
    "#C04A00": "#F0945A",
    # Families of operations in a cell, their labels, and the states.
    "#009E73": "#3ED0A0",
    "#555555": "#C4C8CE",
    "#8A4F7D": "#D9A0CC",
    "#CFE4F1": "#12384F",
    "#F9DCC9": "#4A2613",
    "#CDEEE4": "#0D4031",
    "#EDEDED": "#33373E",
    "#EEDCEA": "#42273C",
    "#FFF3C4": "#4D430F",
}


def in_the_dark(svg: str) -> str:
    """The SVG text of a figure for a light background as one for a dark background."""
    known = {light.lower(): dark.lower() for light, dark in IN_THE_DARK.items()}
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: known.get(found[0], found[0]), svg)


DARK = Theme(
    name="dark",
    ground=IN_THE_DARK[LIGHT.ground],
    ink=IN_THE_DARK[LIGHT.ink],
    quiet=IN_THE_DARK[LIGHT.quiet],
    rule=IN_THE_DARK[LIGHT.rule],
    colours=tuple(IN_THE_DARK[colour] for colour in LIGHT.colours),
    right=IN_THE_DARK[LIGHT.right],
    wrong=IN_THE_DARK[LIGHT.wrong],
)
THEMES = (LIGHT, DARK)

#: Font sizes in points, for all figures.
TITLE, NORMAL, SMALL = 12.0, 9.5, 8.5
#: How many characters of a title fit into an inch, and how high each further line of a title is.
TITLE_CHARACTERS, TITLE_LINE = 9.6, 0.21


def new_figure(theme: Theme, width: float, height: float, **options: Any) -> Figure:
    """An empty figure in inches. pyplot and its list of open figures are not involved."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=theme.ground, **options)


def wrapped(title: str, width: float) -> str:
    """A title in lines that fit a figure of `width` inches; a name without spaces is broken where it must be."""
    most = max(10, int(TITLE_CHARACTERS * (width - 0.3)))
    return "\n".join(textwrap.wrap(visible(title), most, break_on_hyphens=False))


def style(axes: Axes, theme: Theme) -> None:
    """Axes in the theme's colours: no frame, a faint grid, words in ink."""
    axes.set_facecolor(theme.ground)
    axes.grid(True, color=theme.rule, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.quiet)
    axes.tick_params(colors=theme.quiet, labelsize=SMALL, length=0)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    axes.xaxis.label.set_fontsize(NORMAL)
    axes.yaxis.label.set_fontsize(NORMAL)
    axes.title.set_color(theme.ink)


def legend(axes: Axes, theme: Theme, **options: Any) -> None:
    """A legend in the theme's colours; none where no line has a name."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, fontsize=SMALL, frameon=False, labelcolor=theme.ink, handlelength=2.6, **options)
