"""`tnas predict` as a function: what an adapted model says of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tnas_cli.episodes.given_images import given_images
from tnas_cli.episodes.sorting import Sorter
from tnas_cli.recipes.kept_model import load_model
from tnas_cli.recipes.predict import Answers
from tnas_cli.records.kinds import Predicted
from tnas_cli.records.other_results import PredictResult
from tnas_cli.records.parts import LeftOut
from tnas_cli.report.predictions_page import PredictionsPage
from tnas_cli.runs.device import HERE, Machine
from tnas_cli.runs.endings import PAGES, ending_of
from tnas_cli.runs.events import Listener, Note, ignore
from tnas_cli.runs.files import check_can_write

#: The folder of images whose answers were rejected.
UNSURE = "unsure"


class Sorting(NamedTuple):
    """Where images are sorted into folders by class: copied, or linked."""

    folder: Path
    link: bool = False


def predict(
    model: Path | str,
    images: Sequence[str | Path],
    *,
    stdin: str | None = None,
    each: Callable[[Predicted], None] = ignore,
    page: Path | None = None,
    sort: Sorting | None = None,
    reject: float = 0.0,
    machine: Machine = HERE,
    listener: Listener = ignore,
) -> PredictResult:
    """Classes for images: files, folders, patterns, or '-' for the lines of `stdin`.

    each: called with every answer as soon as it is known. page: an HTML file that shows the images by class, the least
    certain first. sort: a folder in which the images are sorted into a folder per class. reject: answers below this
    probability are unsure, and sorted into a folder of their own. Images that cannot be read are listed in the result.
    Raises SettingsError for another ending of the page than .html or .htm, CheckpointError, DataError where no image
    is named, and TnasError for what cannot be written. A page is also written when the work ends early.
    """
    if page is not None:
        ending_of(page, PAGES, "--page")
    kept = load_model(Path(model), machine, listener)
    found, account = given_images(map(str, images), stdin)
    with account.said_of_errors():
        if page is not None:
            check_can_write(page)  # now, rather than when everything is answered
        sorter = None if sort is None else Sorter(sort.folder, link=sort.link)
        shown = None if page is None else PredictionsPage(page, str(model), kept.classes)
        unsure = UNSURE if UNSURE not in kept.classes else f"{UNSURE} images"
        answers = Answers(kept, found, account, reject, listener)
        answers.left_out += [LeftOut(file=name, reason=why) for name, why in account.not_used]
        try:
            for answer in answers:
                if shown is not None:
                    shown.add(answer)
                each(answer)
                if sorter is not None:
                    sorter.put(Path(answer.image), unsure if answer.unsure else answer.class_)
        except BaseException:
            if shown is not None and shown.answered:
                listener(Note(f"{shown.write(answers.left_out + _not_asked(shown, answers))} shows what was answered"))
            raise
        result = answers.result()
        if shown is not None:
            result = replace(result, page=str(shown.write(answers.left_out)))
        if sorter is not None:
            result = replace(result, sorted_into=str(sorter.folder), sorted_files=sorter.count)
        return result


def _not_asked(shown: PredictionsPage, answers: Answers) -> list[LeftOut]:
    """The images that had no turn before the work ended."""
    met = {answer.image for answer, _ in shown.answered} | {left.file for left in answers.left_out}
    return [
        LeftOut(file=image.name, reason="not answered: stopped") for image in answers.images if image.name not in met
    ]
