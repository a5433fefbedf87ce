"""`tnas predict`: a kept model answers for images, a batch at a time and in constant memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from tnas_cli.episodes.account import Account
from tnas_cli.episodes.given_images import GivenImage
from tnas_cli.episodes.images import is_on_bright_ground
from tnas_cli.episodes.own_images import UNLIKE
from tnas_cli.errors import DataError
from tnas_cli.recipes.calibrate import expected
from tnas_cli.recipes.kept_model import KeptModel
from tnas_cli.records.kinds import Predicted
from tnas_cli.records.other_results import PredictResult
from tnas_cli.records.parts import LeftOut
from tnas_cli.runs import events
from tnas_cli.runs.device import environment

Square = npt.NDArray[np.uint8]

#: Images that are read and answered at a time.
TOGETHER = 64


@dataclass
class Answers:
    """Iterates over the answers, in the order of the images; `left_out` fills with those that could not be read, and
    `account` is told what became of every one.

    Answers below the probability `reject` are unsure. Raises SettingsError for what is no probability.
    """

    model: KeptModel
    images: Sequence[GivenImage]
    account: Account
    reject: float = 0.0
    listener: events.Listener = events.ignore
    left_out: list[LeftOut] = field(default_factory=list)
    classes: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    bright: int = 0  # images on a bright ground
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        expected(None, self.reject)

    def __iter__(self) -> Iterator[Predicted]:
        parts = [self.images[first : first + TOGETHER] for first in range(0, len(self.images), TOGETHER)]
        done = 0
        with ThreadPoolExecutor(1, "tnas-reader") as reader:  # reads the next images while these are answered
            waiting = reader.submit(self._read, parts[0])
            for part, following in zip(parts, [*parts[1:], None], strict=True):
                names, squares, bad = waiting.result()
                if following is not None:
                    waiting = reader.submit(self._read, following)
                self.left_out += bad
                for record in self._answered(names, squares):
                    if record.unsure:
                        self.unsure += 1
                    else:
                        self.classes[record.class_] += 1
                    yield record
                done += len(part)
                self.listener(events.Progress("predict", done, len(self.images), "images"))

    def _read(self, images: Sequence[GivenImage]) -> tuple[list[str], list[Square], list[LeftOut]]:
        """Names and squares of the images that can be read, and the others."""
        names, squares, bad = [], [], []
        for image in images:
            try:
                square, _ = self.model.images.read(image.file, partial(self.account.converted, name=image.name))
            except DataError as error:
                bad.append(LeftOut(file=image.name, reason=error.message))
                self.account.left_out("images that cannot be read", image.name)
                continue
            self.bright += is_on_bright_ground(square)
            squares.append(square)
            names.append(image.name)
        return names, squares, bad

    def _answered(self, names: Sequence[str], squares: Sequence[Square]) -> Iterator[Predicted]:
        if not squares:
            return
        best = self.model.probabilities(self.model.images.normalised(squares)).topk(2)
        for name, shares, labels in zip(names, best.values.tolist(), best.indices.tolist(), strict=True):
            yield Predicted(
                image=name,
                class_=self.model.classes[labels[0]],
                probability=min(shares[0], 1.0),
                runner_up=self.model.classes[labels[1]],
                runner_up_probability=shares[1],
                unsure=shares[0] < self.reject,
            )

    def result(self) -> PredictResult:
        """The last record, once all images were asked for."""
        seconds, answered = time.monotonic() - self.began, self.classes.total() + self.unsure
        self.account.used(answered)
        if answered and self.model.images.unlike(self.bright / answered):
            self.account.warn(UNLIKE, str(self.model.path), answered)
        return PredictResult(
            model=str(self.model.path),
            images=answered,
            classes={name: self.classes[name] for name in self.model.classes},
            left_out=tuple(self.left_out),
            account=self.account.record(),
            temperature=self.model.learned.temperature,
            reject=self.reject or None,
            unsure=self.unsure if self.reject else None,
            expected=expected(self.model.learned.calibration, self.reject) if self.reject else None,
            wall_seconds=seconds,
            images_per_second=answered / seconds if seconds else None,
            engine=self.model.engine.name,
            environment=environment(self.model.device),
        )
