"""Pictures of a genotype: both cells as Graphviz text, SVG or PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tnas_cli.report.cell_layout import (
    LABEL_HEIGHT,
    LABEL_WIDTH,
    STATE_RADIUS,
    CellLayout,
    as_drawn,
    lay_out,
    state_names,
)
from tnas_cli.report.figures.picture import Picture, save
from tnas_cli.report.figures.theme import LIGHT, Theme, new_figure
from tnas_cli.runs.endings import PICTURES, ending_of
from tnas_cli.spaces.architecture import Architecture
from tnas_cli.spaces.genotype import CELLS
from tnas_cli.spaces.operations_table import Family, Operation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL_TITLES = {"normal": "normal cell", "reduce": "reduction cell"}
MARGIN, HEADING, BETWEEN, TITLE = 0.25, 0.34, 0.3, 0.45


class Look(NamedTuple):
    """How a family of operations is drawn. Okabe and Ito's colours also differ in lightness; the dashes differ, too."""

    line: str
    fill: str
    dashes: str | tuple[int, tuple[float, ...]]
    dot_style: str


LOOKS: dict[Family, Look] = {
    "separable": Look("#0072B2", "#CFE4F1", "-", "solid"),
    "dilated": Look("#A63F00", "#F9DCC9", (0, (6.0, 1.6)), "dashed"),
    "pool": Look("#009E73", "#CDEEE4", (0, (1.2, 1.2)), "dotted"),
    "skip": Look("#555555", "#EDEDED", "-", "bold"),
    "other": Look("#8A4F7D", "#EEDCEA", (0, (6.0, 1.4, 1.2, 1.4)), "dashed"),
}
OUTPUT_COLOUR = "#9A9A9A"
STATE_FILL = "#FFF3C4"


def look(operation: Operation, theme: Theme = LIGHT) -> Look:
    """The look of an operation's family."""
    found = LOOKS[operation.family]
    return found._replace(line=theme.shown(found.line), fill=theme.shown(found.fill))


def to_dot(genotype: Architecture) -> str:
    """Both cells as one Graphviz digraph, a cluster each; for example for `dot -Tpdf`."""
    lines = ["digraph genotype {", '  rankdir="LR";', '  node [shape="box", style="rounded", fontname="Helvetica"];']
    lines.append('  edge [fontname="Helvetica"];')
    for cell in CELLS:
        names = state_names(len(genotype.cell(cell)) // 2)
        lines += [f'  subgraph "cluster_{cell}" {{', f'    label="{CELL_TITLES[cell]}";']
        lines += [f'    "{cell}_{state}" [label="{_plain(name)}"];' for state, name in enumerate(names)]
        for index, (operation, source) in enumerate(genotype.rows(cell)):
            family = look(operation)
            lines.append(
                f'    "{cell}_{source}" -> "{cell}_{index // 2 + 2}" [label="{operation.name}", color="{family.line}", '
                f'style="{family.dot_style}"];'
            )
        output = len(names) - 1
        joined = genotype.joined(cell)
        lines += [f'    "{cell}_{s}" -> "{cell}_{output}" [color="{OUTPUT_COLOUR}"];' for s in joined]
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"


def _plain(name: str) -> str:
    return name.replace("{", "").replace("}", "")


def draw(genotype: Architecture, path: Path, title: str | None = None, theme: Theme = LIGHT) -> None:
    """Draw both cells, one above the other, into an SVG or PNG file; the same bytes for the same genotype and title.

    Raises SettingsError for another ending, TnasError where the file cannot be written.
    """
    ending_of(path, PICTURES, "picture")
    picture = cells_picture(genotype.digest, title or f"genotype {genotype.digest}", genotype)
    save(picture.drawn(theme), path)


def cells_picture(name: str, title: str, genotype: Architecture, facts: str = "") -> Picture:
    """Both cells of a genotype as graphs; the caption is the genotype in DARTS's form, after `facts`."""
    return Picture(
        name, title, f"{facts} {genotype.to_darts()}".strip(), lambda theme: draw_cells(genotype, title, theme)
    )


def draw_cells(genotype: Architecture, title: str, theme: Theme) -> Figure:
    """The figure of `draw`."""
    cells = {name: lay_out(genotype.cell(name), genotype.joined(name)) for name in CELLS}
    width = max(layout.right - layout.left for layout in cells.values()) + 2 * MARGIN
    height = sum(_height(layout) for layout in cells.values()) + BETWEEN + 2 * MARGIN + TITLE
    figure = new_figure(theme, width, height)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0.0, width), ylim=(0.0, height))
    axes.set_axis_off()
    axes.text(MARGIN, height - MARGIN, title, fontsize=14, va="top", color=theme.ink)
    y = height - MARGIN - TITLE
    for name, layout in cells.items():
        axes.text(MARGIN, y, CELL_TITLES[name], fontsize=12, va="top", color=theme.quiet)
        rows = {row.name: row for row, _ in genotype.rows(name)}
        _draw_cell(axes, layout, rows, MARGIN - layout.left, y - HEADING - layout.top, theme)
        y -= _height(layout) + BETWEEN
    return figure


def _height(layout: CellLayout) -> float:
    return HEADING + layout.top - layout.bottom + 0.2


def _draw_cell(
    axes: Axes, layout: CellLayout, rows: Mapping[str, Operation], dx: float, dy: float, theme: Theme
) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    # Lines into the output lie below the others. A rim in the background's colour shows which of two crossing lines is
    # on top.
    for line in sorted(layout.lines, key=lambda line: line.operation is not None):
        xs, ys = [x + dx for x, _ in line.points], [y + dy for _, y in line.points]
        family = look(rows[line.operation], theme) if line.operation else Look(OUTPUT_COLOUR, "", "-", "solid")
        if line.operation:
            axes.plot(xs, ys, color=theme.ground, linewidth=5.0, solid_capstyle="butt", zorder=2)
        axes.plot(xs, ys, color=family.line, linewidth=1.7, linestyle=family.dashes, zorder=2)
        if line.arrow:
            axes.annotate(
                "",
                xy=(xs[-1], ys[-1]),
                xytext=(xs[-2], ys[-2]),
                arrowprops={
                    "arrowstyle": "-|>",
                    "color": family.line,
                    "shrinkA": 0,
                    "shrinkB": 0,
                    "mutation_scale": 12,
                },
                zorder=3,
            )
    for label in layout.labels:
        corner = (label.x + dx - LABEL_WIDTH / 2, label.y + dy - LABEL_HEIGHT / 2)
        family = look(rows[label.operation], theme)
        axes.add_patch(
            FancyBboxPatch(
                corner,
                LABEL_WIDTH,
                LABEL_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=family.fill,
                edgecolor=family.line,
                linewidth=1.3,
                zorder=4,
            )
        )
        axes.text(
            label.x + dx, label.y + dy, rows[label.operation].title, fontsize=10.5, color=theme.ink, zorder=5, **CENTRED
        )
    for state in layout.states:
        axes.add_patch(
            Circle(
                (state.x + dx, dy),
                STATE_RADIUS,
                facecolor=theme.shown(STATE_FILL),
                edgecolor=theme.ink,
                linewidth=1.2,
                zorder=4,
            )
        )
        axes.text(state.x + dx, dy, as_drawn(state.name), fontsize=11.5, color=theme.ink, zorder=5, **CENTRED)
    axes.text(
        layout.right - STATE_RADIUS + dx,
        layout.output_lane + dy - 0.06,
        "concat",
        fontsize=9.5,
        color=theme.quiet,
        ha="right",
        va="top",
    )


CENTRED: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
