"""theta as heat maps, the meta-architecture beside adapted ones: the paper's Figures 2 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tnas_cli.errors import DataError
from tnas_cli.report.cell_layout import as_drawn, state_names
from tnas_cli.report.figures.curves import share_of_one
from tnas_cli.report.figures.picture import Picture
from tnas_cli.report.figures.smoothness import (
    Matrix,
    Smoothness,
    nodes_of_edges,
    probabilities,
    smoothness,
)
from tnas_cli.report.figures.theme import NORMAL, SMALL, TITLE, TITLE_LINE, Theme, new_figure, wrapped
from tnas_cli.spaces.darts import DARTS
from tnas_cli.spaces.edges import theta_order
from tnas_cli.spaces.enas import EnasSpace
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.space import Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

CELL_TITLES = {"normal": "normal cell", "reduce": "reduction cell"}
#: Cividis rises evenly in lightness, so that it reads the same in gray and with any kind of colour vision.
COLOURS = "cividis"
#: The map is the same on both backgrounds, and so are the marks on it.
MARK, MARK_RIM = "#D55E00", "#FAFAFA"
PANEL_WIDTH, ROW = 2.35, 0.185
LEFT, RIGHT, TOP, BOTTOM, BETWEEN_X, BETWEEN_Y = 0.85, 0.95, 1.02, 0.86, 0.2, 0.34


@dataclass(frozen=True)
class Encoding:
    """A theta [2, edges, operations] of a space with its name; `decoded` asks for marks on the operations that
    Algorithm 2 keeps."""

    name: str
    theta: Matrix
    decoded: bool = False
    space: Space = DARTS


def theta_picture(name: str, title: str, encodings: Sequence[Encoding]) -> Picture:
    """A column for each encoding, a row for each cell; all on one colour scale. All must be of one space, and have
    the same number of edges. Raises DataError for a space whose theta does not weight edges."""
    if isinstance(encodings[0].space, EnasSpace):
        raise DataError(
            f"theta of the space {encodings[0].space.name} holds decisions; heat maps show edges.",
            hint="for the cells that they decide on, run: tnas decode best.pt --picture cells.svg",
        )
    told = "; ".join(f"{encoding.name}: {smoothness(encoding.theta)}" for encoding in encodings)
    caption = (
        f"Probabilities (softmax of theta over the operations of each edge). {told}. Uniform would be "
        f"{1 / len(encodings[0].space.operations):.3g} and 1, "
        "decided 1 and 0."
    )
    if any(encoding.decoded for encoding in encodings):
        caption += " A dot marks the operations that are decoded: two edges for each node."
    return Picture(name, title, caption, lambda theme: draw_theta(title, encodings, theme))


def edge_names(nodes: int) -> list[str]:
    """'cₖ₋₂ → 0', ... in the order of theta's rows."""
    names = list(map(as_drawn, state_names(nodes)))
    return [f"{names[source]} → {node}" for source, node in theta_order(nodes)]


def draw_theta(title: str, encodings: Sequence[Encoding], theme: Theme) -> Figure:
    """The figure of `theta_picture`."""
    edges = encodings[0].theta.shape[1]
    height = ROW * edges
    width = LEFT + len(encodings) * (PANEL_WIDTH + BETWEEN_X) - BETWEEN_X + RIGHT
    title = wrapped(title, width)
    top = TOP + TITLE_LINE * title.count("\n")
    total = top + len(CELLS) * (height + BETWEEN_Y) - BETWEEN_Y + BOTTOM
    figure = new_figure(theme, width, total)
    figure.text(0.12 / width, 1 - 0.14 / total, title, fontsize=TITLE, color=theme.ink, va="top")
    scale = max(float(probabilities(encoding.theta).max()) for encoding in encodings)
    scale = min(1.0, np.ceil(20 * scale) / 20)
    image: AxesImage | None = None
    for column, encoding in enumerate(encodings):
        left = (LEFT + column * (PANEL_WIDTH + BETWEEN_X)) / width
        for row, cell in enumerate(CELLS):
            bottom = (total - top - height - row * (height + BETWEEN_Y)) / total
            axes = figure.add_axes((left, bottom, PANEL_WIDTH / width, height / total))
            image = _panel(axes, encoding, row, scale, theme)
            axes.set_title(
                f"{CELL_TITLES[cell]}: {_numbers(smoothness(encoding.theta[row]))}", fontsize=SMALL - 0.7, pad=4
            )
            axes.title.set_color(theme.quiet)
            _names(axes, theme, edges, encoding.space, rows=column == 0, columns=row == len(CELLS) - 1)
        figure.text(
            left + PANEL_WIDTH / width / 2,
            1 - (top - TOP + 0.5) / total,
            f"{encoding.name}\n{_numbers(smoothness(encoding.theta))}",
            fontsize=NORMAL,
            color=theme.ink,
            ha="center",
            va="top",
            linespacing=1.3,
        )
    assert image is not None
    operations = len(encodings[0].space.operations)
    _colour_bar(figure, image, scale, theme, (width, total), total - top - BOTTOM, operations)
    return figure


def _numbers(found: Smoothness) -> str:
    return f"max {found.largest:.3f}, entropy {found.entropy:.3f}"


def _panel(axes: Axes, encoding: Encoding, cell: int, scale: float, theme: Theme) -> AxesImage:
    p = probabilities(encoding.theta[cell])  # [E, 8]
    edges, operations = p.shape
    axes.set_facecolor(theme.ground)
    # Without interpolation an SVG holds one pixel per number and asks its viewer to keep the borders sharp.
    extent = (0, operations, edges, 0)
    image = axes.imshow(p, cmap=COLOURS, vmin=0.0, vmax=scale, interpolation="none", aspect="auto", extent=extent)
    targets = [node for _, node in theta_order(nodes_of_edges(edges))]
    for edge in range(1, edges):
        if targets[edge] != targets[edge - 1]:
            axes.axhline(edge, color=theme.ground, linewidth=2.2)
    if encoding.decoded:
        spots = _decoded(encoding, cell)
        axes.plot(
            [operation + 0.5 for _, operation in spots],
            [edge + 0.5 for edge, _ in spots],
            linestyle="none",
            marker="o",
            markersize=5.2,
            markerfacecolor=MARK,
            markeredgecolor=MARK_RIM,
            markeredgewidth=1.1,
        )
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _decoded(encoding: Encoding, cell: int) -> list[tuple[int, int]]:
    """(edge, operation) of everything that is decoded from one cell."""
    # PyTorch is needed only here: decoding works on tensors.
    import torch

    rows = {edge: row for row, edge in enumerate(theta_order(nodes_of_edges(encoding.theta.shape[1])))}
    columns = {row.name: column for column, row in enumerate(encoding.space.operations)}
    kept = encoding.space.decode(torch.from_numpy(encoding.theta)).cell(CELLS[cell])
    return [(rows[source, index // 2], columns[operation]) for index, (operation, source) in enumerate(kept)]


def _names(axes: Axes, theme: Theme, edges: int, space: Space, *, rows: bool, columns: bool) -> None:
    axes.tick_params(length=0, colors=theme.ink, labelsize=SMALL)
    names = edge_names(nodes_of_edges(edges)) if rows else [""] * edges
    axes.set_yticks(np.arange(edges) + 0.5, names)
    readable = [row.title for row in space.operations]
    axes.set_xticks(
        np.arange(len(readable)) + 0.5,
        readable if columns else [""] * len(readable),
        rotation=45,
        ha="right",
        rotation_mode="anchor",
    )


def _colour_bar(
    figure: Figure,
    image: AxesImage,
    scale: float,
    theme: Theme,
    size: tuple[float, float],
    height: float,
    operations: int,
) -> None:
    width, total = size
    bar = figure.add_axes(
        ((width - RIGHT + 0.36) / width, BOTTOM / total, 0.11 / width, height / total), facecolor=theme.ground
    )
    colour_bar = figure.colorbar(image, cax=bar)
    colour_bar.outline.set_visible(False)
    ticks = [scale * step / 4 for step in range(5)]
    colour_bar.set_ticks(ticks, labels=[f"{tick:.2f}" for tick in ticks])
    bar.tick_params(colors=theme.ink, labelsize=SMALL, length=0)
    bar.set_title("p", fontsize=NORMAL, color=theme.ink)
    bar.axhline(1 / operations, color=MARK, linewidth=2.0)
    # The ticks are on the right of the bar, and nothing is on its left.
    uniform = share_of_one(operations)
    bar.text(-0.3, 1 / operations, uniform, color=theme.ink, fontsize=NORMAL, ha="right", va="center")
