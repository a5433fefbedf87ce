"""Colours of all figures, for a light and for a dark background.

Lines take Okabe and Ito's colours, darkened on white and lightened on black until they stand out; a second sign
(dashes, a marker, a shape) always says the same, so that a figure can be read in gray.
"""

from __future__ import annotations

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
DARK = Theme(
    name="dark",
    ground="#16181C",
    ink="#F0F0F0",
    quiet="#ABB0B8",
    rule="#3C4048",
    colours=("#56B4E9", "#F0945A", "#3ED0A0", "#DDA0C8", "#F0E442", "#F0F0F0"),
    right="#56B4E9",
    wrong="#F0945A",
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
