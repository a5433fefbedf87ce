"""`tnas predict --page`: the images sorted by class, the least certain first, as one HTML file that opens offline."""

from __future__ import annotations

import base64
import io
import os
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
    """An image with its answer; `name` is what tells it from the others on the page."""

    answer: Predicted
    picture: str
    name: str

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
    answered: list[tuple[Predicted, str]] = field(default_factory=list)

    def add(self, answer: Predicted) -> None:
        """An answer, whose image is read for a thumbnail."""
        self.answered.append((answer, thumbnail(Path(answer.image))))

    def _cards(self) -> list[Card]:
        names = short_names([answer.image for answer, _ in self.answered])
        return [Card(answer, picture, name) for (answer, picture), name in zip(self.answered, names, strict=True)]

    def write(self, left_out: Sequence[LeftOut]) -> Path:
        """Write the page; raises TnasError for a path that cannot be written."""
        groups, cards = [], self._cards()
        for name in self.classes:
            of_class = [card for card in cards if card.answer.class_ == name and not card.answer.unsure]
            groups.append(ClassCards(name, sorted(of_class, key=lambda card: card.answer.probability)))
        unsure = [card for card in cards if card.answer.unsure]
        if unsure:
            groups.insert(0, ClassCards("unsure", sorted(unsure, key=lambda card: card.answer.probability)))
        text = render_template(
            "predictions.html.j2",
            model=self.model,
            answered=len(cards),
            classes=len(self.classes),
            groups=groups,
            left_out=left_out,
            version=__version__,
        )
        write_text(self.path, text)
        return self.path


def short_names(images: Sequence[str]) -> list[str]:
    """Their files' names, or paths from the deepest folder that they share where names occur twice."""
    paths = [Path(image) for image in images]
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    shared = os.path.commonpath([path.absolute().parent for path in paths])
    return [path.absolute().relative_to(shared).as_posix() for path in paths]


def thumbnail(path: Path) -> str:
    """The image as a small picture in a data URI."""
    image = read_image(path, needed=THUMBNAIL)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out, kind = io.BytesIO(), "jpeg" if max(image.size) > SHARP else "png"
    image.save(out, kind, quality=80)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"
