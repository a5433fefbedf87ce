"""`tnas predict --page`: the images sorted by class, the least certain first, as one HTML file that opens offline."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tnas_cli.episodes.images import read_image
from tnas_cli.records.kinds import Predicted
from tnas_cli.records.parts import LeftOut
from tnas_cli.report.html.template import render_template
from tnas_cli.runs.files import write_text
from tnas_cli.version import __version__

#: Pixels of a thumbnail's longer side.
THUMBNAIL = 160

#: Pictures up to this size stay as sharp as they are; JPEG would blur them.
SHARP = 64


@dataclass(frozen=True)
class Card:
    """An image with its answer."""

    answer: Predicted
    picture: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return Path(self.answer.image).name

    @property
    def percent(self) -> str:
        """How probable the class is."""
        return f"{100 * self.answer.probability:.1f}%"

    @property
    def runner_up_percent(self) -> str:
        """How probable the second class is."""
        return f"{100 * self.answer.runner_up_probability:.1f}%"


@dataclass(frozen=True)
class ClassCards:
    """The images that got one class."""

    name: str
    cards: Sequence[Card]


@dataclass
class PredictionsPage:
    """Collects answers, and writes them to `path`."""

    path: Path
    model: str
    classes: Sequence[str]
    cards: list[Card] = field(default_factory=list)

    def add(self, answer: Predicted) -> None:
        """An answer, whose image is read for a thumbnail."""
        self.cards.append(Card(answer, thumbnail(Path(answer.image))))

    def write(self, left_out: Sequence[LeftOut]) -> Path:
        """Write the page; raises TnasError for a path that cannot be written."""
        groups = []
        for name in self.classes:
            of_class = [card for card in self.cards if card.answer.class_ == name and not card.answer.unsure]
            groups.append(ClassCards(name, sorted(of_class, key=lambda card: card.answer.probability)))
        unsure = [card for card in self.cards if card.answer.unsure]
        if unsure:
            groups.insert(0, ClassCards("unsure", sorted(unsure, key=lambda card: card.answer.probability)))
        text = render_template(
            "predictions.html.j2",
            model=self.model,
            answered=len(self.cards),
            classes=groups,
            left_out=left_out,
            version=__version__,
        )
        write_text(self.path, text)
        return self.path


def thumbnail(path: Path) -> str:
    """The image as a small picture in a data URI."""
    image = read_image(path, needed=THUMBNAIL)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out, kind = io.BytesIO(), "jpeg" if max(image.size) > SHARP else "png"
    image.save(out, kind, quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
