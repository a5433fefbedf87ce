"""What validation tasks say of a checkpoint's inductive answers, kept in the checkpoint itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.methods.calibration import Bins, coverage, fit_temperature
from tnas_cli.methods.class_means import Classifier
from tnas_cli.methods.learner import Fitted
from tnas_cli.records.parts import Calibration, Coverage
from tnas_cli.runs import checkpoint

#: The probabilities below which answers may be rejected, and for which validation tasks were counted.
THRESHOLDS = tuple(percent / 100 for percent in range(100))

#: A batch of validation tasks: what was fitted to them, and their query images and labels.
Validated = tuple[Fitted, Tensor, Tensor]


def calibrate(batches: Iterable[Validated]) -> list[Calibration]:
    """Of each classifier that the fitted networks have, the most accurate one first."""
    logits: dict[Classifier, list[Tensor]] = {}
    labels = []
    for fitted, x, y in batches:
        labels.append(y.flatten().cpu())
        for classifier in fitted.classifiers:
            logits.setdefault(classifier, []).append(fitted.by(classifier).inductive(x).flatten(0, 1).cpu())
    found = [_of(classifier, torch.cat(own), torch.cat(labels)) for classifier, own in logits.items()]
    return sorted(found, key=lambda one: one.accuracy, reverse=True)


def _of(classifier: Classifier, logits: Tensor, labels: Tensor) -> Calibration:
    known = Calibration(
        classifier=classifier,
        accuracy=float((logits.argmax(-1) == labels).double().mean()),
        temperature=1.0,
        images=len(labels),
        error_before=None,
        error_after=None,
        coverage=(),
    )
    if not bool(logits.isfinite().all()):
        return known
    temperature = fit_temperature(logits, labels)
    cooled = logits.double() / temperature
    return replace(
        known,
        temperature=temperature,
        error_before=Bins.of(logits.double().softmax(-1), labels).error,
        error_after=Bins.of(cooled.softmax(-1), labels).error,
        coverage=tuple(coverage(cooled, labels, THRESHOLDS)),
    )


def keep(path: Path, kind: str, found: Sequence[Calibration]) -> None:
    """Put it into the checkpoint, which is otherwise left as it is."""
    saved = checkpoint.load(path, kind)
    about = {**saved.about, "calibration": [one.to_json() for one in found]}
    checkpoint.save(path, checkpoint.Checkpoint(kind, about, saved.tensors))


def expected(found: Calibration | None, reject: float) -> Coverage | None:
    """What validation tasks say of answers with a probability of at least `reject`; None where they were not asked.

    Raises SettingsError for what is no probability.
    """
    if not 0 <= reject < 1:
        raise SettingsError(f"--reject is {reject}.", hint="choose a probability from 0 to 0.99")
    known = [one for one in found.coverage if one.probability <= reject + 1e-9] if found is not None else []
    return known[-1] if known else None
