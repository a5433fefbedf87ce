"""`tnas export`: a kept model as a file that other programs run: ONNX, or PyTorch's own exported program."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from tnas_cli.errors import SettingsError, TnasError
from tnas_cli.recipes.as_module import module
from tnas_cli.recipes.kept_model import KeptModel, load_model
from tnas_cli.records.other_results import ExportResult
from tnas_cli.runs.device import Machine
from tnas_cli.runs.endings import ending_of
from tnas_cli.runs.files import check_can_write, write_bytes
from tnas_cli.version import __version__

#: Formats by the ending of the file.
ENDINGS = {"onnx": ".onnx", "torch": ".pt2"}

#: Version of ONNX's operators.
OPSET = 18


def export(model: Path, file: Path, form: str | None = None) -> ExportResult:
    """Write the model to `file`: images [N, C, H, W] in any number to logits [N, way].

    How images are prepared, and the names of the classes, are in the file's metadata. Raises SettingsError for an
    unknown format or an ending that is not its own, CheckpointError, and TnasError where the file cannot be written or
    the extra `onnx` is missing.
    """
    if form is not None and form not in ENDINGS:
        raise SettingsError(f"unknown format {form!r}.", hint=f"choose {' or '.join(ENDINGS)}")
    ending = ending_of(file, ENDINGS.values() if form is None else [ENDINGS[form]], "FILE")
    form = next(name for name, of_form in ENDINGS.items() if of_form == ending)
    if file.is_dir():
        raise TnasError(f"{file} is a folder.", hint="name a file")
    kept = load_model(model, Machine(engine="torch"))
    network = module(kept)
    example = torch.zeros(2, kept.images.channels, kept.images.size, kept.images.size)
    facts = metadata(kept)
    check_can_write(file)  # now, rather than when the exporter has done its work
    write_bytes(file, (onnx_bytes if form == "onnx" else program_bytes)(program_of(network, example), facts))
    return ExportResult(model=str(model), path=str(file), format=form, classes=kept.classes, bytes=file.stat().st_size)


def metadata(kept: KeptModel) -> dict[str, str]:
    """What somebody must know to feed the file and to read its answers."""
    images = kept.images
    preparation = {
        "size": images.size,
        "channels": images.channels,
        "mean": list(images.mean),
        "std": list(images.std),
        "resize": "fit: scaled with its aspect kept, centred, padded with the median colour of the image's border",
        "invert": images.invert,
        "input": "pixels / 255, minus mean, divided by std; float32 [N, channels, size, size]",
    }
    return {"classes": json.dumps(kept.classes), "preparation": json.dumps(preparation), "tnas": __version__}


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporters' own words, which are about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def program_of(network: nn.Module, example: Tensor) -> ExportedProgram:
    """What the network computes, for images like the example's, and any number of them."""
    with _silent():
        return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("images")},))


def program_bytes(program: ExportedProgram, facts: dict[str, str]) -> bytes:
    """A file of PyTorch's own format, which `torch.export.load` reads."""
    file = io.BytesIO()
    with _silent():
        torch.export.save(program, file, extra_files=facts)
    return file.getvalue()


def onnx_bytes(program: ExportedProgram, facts: dict[str, str]) -> bytes:
    """A file of ONNX; raises TnasError where the extra is missing."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise TnasError(f"ONNX cannot be imported ({error}).", hint="pip install 'tnas-cli[onnx]'") from error
    with _silent():
        translated = torch.onnx.export(
            program,
            input_names=["images"],
            output_names=["logits"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert translated is not None
    proto = translated.model_proto
    for key, value in facts.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    return bytes(proto.SerializeToString())
