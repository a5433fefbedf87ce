"""What validation tasks say of a checkpoint's probabilities, kept in the checkpoint itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from tnas_cli.errors import SettingsError
from tnas_cli.methods.calibration import Bins, coverage, fit_temperature
from tnas_cli.records.parts import Calibration, Coverage
from tnas_cli.runs import checkpoint

#: The probabilities below which answers may be rejected, and for which validation tasks were counted.
THRESHOLDS = tuple(percent / 100 for percent in range(100))


def calibrate(answers: Iterable[tuple[Tensor, Tensor]]) -> Calibration:
    """From inductive logits [T, Q, way] and labels [T, Q] of validation tasks, batch by batch."""
    logits, labels = zip(*((found.flatten(0, 1).cpu(), true.flatten().cpu()) for found, true in answers), strict=True)
    return _of(torch.cat(logits), torch.cat(labels))


def _of(logits: Tensor, labels: Tensor) -> Calibration:
    if not bool(logits.isfinite().all()):
        return Calibration(temperature=1.0, images=len(labels), error_before=None, error_after=None, coverage=())
    temperature = fit_temperature(logits, labels)
    cooled = logits.double() / temperature
    return Calibration(
        temperature=temperature,
        images=len(labels),
        error_before=Bins.of(logits.double().softmax(-1), labels).error,
        error_after=Bins.of(cooled.softmax(-1), labels).error,
        coverage=tuple(coverage(cooled, labels, THRESHOLDS)),
    )


def keep(path: Path, kind: str, found: Calibration) -> None:
    """Put it into the checkpoint, which is otherwise left as it is."""
    saved = checkpoint.load(path, kind)
    about = {**saved.about, "calibration": found.to_json()}
    checkpoint.save(path, checkpoint.Checkpoint(kind, about, saved.tensors))


def expected(found: Calibration | None, reject: float) -> Coverage | None:
    """What validation tasks say of answers with a probability of at least `reject`; None where they were not asked.

    Raises SettingsError for what is no probability.
    """
    if not 0 <= reject < 1:
        raise SettingsError(f"--reject is {reject}.", hint="choose a probability from 0 to 0.99")
    known = [one for one in found.coverage if one.probability <= reject + 1e-9] if found is not None else []
    return known[-1] if known else None
