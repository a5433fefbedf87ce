"""A figure that is not drawn yet, and the files and texts that it becomes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tnas_cli.report.figures.plotting import drawing, own_settings
from tnas_cli.report.figures.theme import Theme
from tnas_cli.runs.endings import PICTURES, ending_of
from tnas_cli.runs.files import write_bytes
from tnas_cli.spelling import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_DOTS_PER_INCH = 110


@dataclass(frozen=True)
class Picture:
    """`name` is for files; `caption` says in words and numbers what `draw` shows, and replaces the figure where it
    cannot be seen."""

    name: str
    title: str
    caption: str
    draw: Callable[[Theme], Figure]

    def drawn(self, theme: Theme) -> Figure:
        """The figure, whatever settings for plots the user has."""
        with own_settings(), drawing():
            return self.draw(theme)


def save(figure: Figure, path: Path) -> None:
    """Write an SVG or PNG file, whole or not at all; the same bytes for the same figure.

    Raises SettingsError for another ending, TnasError where the file cannot be written.
    """
    write_bytes(path, _drawn(figure, ending_of(path, PICTURES, "picture")))


def svg_text(figure: Figure) -> str:
    """The figure as the text of an SVG file."""
    return _drawn(figure, ".svg").decode()


def _drawn(figure: Figure, ending: str) -> bytes:
    # A file's date and the library's version would make equal pictures differ.
    metadata: dict[str, Any] = {"Date": None, "Creator": None} if ending == ".svg" else {"Software": None}
    target = io.BytesIO()
    with own_settings(), drawing():
        from matplotlib.text import Text

        for text in figure.findobj(Text):
            text.set_text("\n".join(map(visible, text.get_text().split("\n"))))
        figure.savefig(target, format=ending[1:], dpi=PNG_DOTS_PER_INCH, metadata=metadata)
    return target.getvalue()
