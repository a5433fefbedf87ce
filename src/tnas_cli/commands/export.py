"""`tnas export` as a function: a kept model for other programs."""

from __future__ import annotations

from pathlib import Path

from tnas_cli.recipes import export as recipe
from tnas_cli.records.other_results import ExportResult


def export(model: Path | str, file: Path | str, form: str | None = None) -> ExportResult:
    """Write what `tnas adapt --save` kept as ONNX (.onnx) or as PyTorch's exported program (.pt2).

    The file takes images [N, C, H, W] in any number and gives logits [N, way]; its metadata says how images are
    prepared and what the classes are called. Raises SettingsError, CheckpointError and TnasError.
    """
    return recipe.export(Path(model), Path(file), form)
