"""What tests check in a drawn figure: that texts do not overlap and stay inside, and how it looks in gray."""

from __future__ import annotations

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every visible text of the figure with its box in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    inside = [(text.get_text(), text.get_window_extent(renderer)) for text in found]
    # An axis keeps labels for ticks outside its limits, but does not draw them.
    drawn = {id(tick.label1) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in _drawn(axis)}
    ticks = {id(t) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for t in _labels(axis)}
    return [pair for text, pair in zip(found, inside, strict=True) if id(text) not in ticks or id(text) in drawn]


def _drawn(axis: object) -> list[object]:
    return axis._update_ticks()  # type: ignore[attr-defined,no-any-return]


def _labels(axis: object) -> list[Text]:
    ticks = axis.get_major_ticks() + axis.get_minor_ticks()  # type: ignore[attr-defined]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def assert_words_stand_apart(figure: Figure, slanted: bool = False) -> None:
    """No two texts share pixels, and none leaves the figure. `slanted`: the boxes of rotated labels are too large."""
    found = words(figure)
    assert found
    width, height = figure.canvas.get_width_height()
    for text, box in found:
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1, f"{text!r} leaves"
    if slanted:
        return
    for (one, first), (other, second) in combinations(found, 2):
        both = Bbox.intersection(first, second)
        assert both is None or both.width < 1.5 or both.height < 1.5, f"{one!r} covers {other!r}"


def luminance(colour: str) -> float:
    """Relative luminance of '#RRGGBB' as WCAG defines it."""
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours: 1 for equal ones, 21 for black and white."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
