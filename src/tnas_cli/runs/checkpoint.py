"""Checkpoints: tensors and one JSON text in a file that is read without running anything it contains."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import zipfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from tnas_cli.errors import CheckpointError
from tnas_cli.plain import NotPlainError, json_value
from tnas_cli.runs import shipped
from tnas_cli.runs.files import cannot_read, is_file, write_bytes, writing
from tnas_cli.spelling import quoted

SCHEMA = 1
#: Of the part that is a program of the pickle module: names, shapes, and the text, whose history may take megabytes.
LARGEST_PICKLE = 64 * 2**20

META_ARCHITECTURE = "tnas/meta-architecture"
DECODED_WEIGHTS = "tnas/decoded-weights"
INHERITED_WEIGHTS = "tnas/inherited-weights"
TRANSFER_WEIGHTS = "tnas/transfer-weights"
ADAPTED_MODEL = "tnas/adapted-model"

#: What each kind of checkpoint is, and which command writes it.
KINDS = {
    META_ARCHITECTURE: ("a meta-architecture", "`tnas search`"),
    DECODED_WEIGHTS: ("a trained network", "`tnas train-eval`"),
    INHERITED_WEIGHTS: ("inherited weights", "`tnas train-eval --weights inherited`"),
    TRANSFER_WEIGHTS: ("a network of the transfer setting", "`tnas transfer`"),
    ADAPTED_MODEL: ("an adapted model", "`tnas adapt --save`"),
}


@dataclass(frozen=True)
class Checkpoint:
    """`kind` says what it is a checkpoint of; `about` is plain data; `tensors` are on the CPU."""

    kind: str
    about: dict[str, Any]
    tensors: dict[str, Tensor]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with 'prefix/', by the rest of their names."""
        start = f"{prefix}/"
        return {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)}


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write whole or not at all."""
    header = json.dumps({"kind": checkpoint.kind, "schema": SCHEMA, "about": checkpoint.about})
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in checkpoint.tensors.items()}
    content = io.BytesIO()  # PyTorch's own writer does not say why a disk refuses
    with writing(path):
        torch.save({"header": header, "tensors": tensors}, content)
    write_bytes(path, content.getvalue())


def load(path: Path, *kinds: str) -> Checkpoint:
    """Read a checkpoint of one of the given KINDS, by its path or the name of a shipped model; raises CheckpointError
    that names the file and says why it cannot be read."""
    hint = f"pass a checkpoint written by {' or '.join(_known(kind)[1] for kind in kinds)}"
    file = shipped.located(path)
    if not is_file(file):
        similar = get_close_matches(path.name, shipped.names(), 1)
        hint = f"did you mean {similar[0]!r}?" if similar else "run `tnas search` first, or name one of `tnas models`"
        if is_file(path / "best.pt"):
            hint = f"did you mean {quoted(path / 'best.pt')}?"
        raise CheckpointError(f"no checkpoint at {path}.", hint=hint)
    damaged = CheckpointError(f"{path} is damaged or is not a checkpoint.", hint=hint)
    try:
        with file.open("rb") as stream:
            if not _is_whole(stream):
                raise damaged
            content = torch.load(stream, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds something other than tensors and text; none of it was run.", hint=hint
        ) from error
    except Exception as error:  # the file may hold any bytes, and torch's reader fails on them in any way
        if _refusal(error) is not None:
            raise cannot_read(path, error, CheckpointError) from error
        raise damaged from error
    header, tensors = _parts(path, content, hint)
    if not _are_numbers(tensors, file.stat().st_size):
        raise damaged
    if header.get("schema") != SCHEMA:
        raise CheckpointError(
            f"{path} has checkpoint version {header.get('schema')!r}, but this tnas reads version {SCHEMA}.",
            hint="install the version of tnas that wrote it",
        )
    kind = header.get("kind")
    if kind not in kinds:
        needed = " or ".join(_known(wanted)[0] for wanted in kinds)
        raise CheckpointError(f"{path} is {_known(kind)[0]}, not {needed}.", hint=hint)
    return Checkpoint(kind, header["about"], tensors)


def _known(kind: Any) -> tuple[str, str]:
    """What a kind of checkpoint is, and which command writes it."""
    known = KINDS.get(kind) if isinstance(kind, str) else None
    return known or (f"a checkpoint of kind {kind!r:.60}", "tnas")


def _is_whole(file: IO[bytes]) -> bool:
    """Whether the file is an archive whose members all match their checksums; torch's reader does not check them.

    Nothing in it may be larger than it is in the file: torch packs nothing, and so nothing can unpack without end.
    Raises OSError where the system does not give the bytes.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            stored = all(one.compress_type == zipfile.ZIP_STORED for one in members)
            fits = sum(max(one.file_size, one.compress_size) for one in members) <= size
            largest = max((one.file_size for one in members if one.filename.endswith(".pkl")), default=0)
            whole = stored and fits and largest <= LARGEST_PICKLE and archive.testzip() is None
    except Exception as error:  # any bytes may stand in the file, and zipfile fails on them in many ways
        if (refusal := _refusal(error)) is not None:
            raise refusal from None
        return False
    file.seek(0)
    return whole


def _refusal(error: BaseException) -> OSError | None:
    """The system's refusal to read; None for what comes of the bytes, as EINVAL does for positions that they name."""
    # zipfile calls a file no archive when its end cannot be read.
    cause = error.__context__ if isinstance(error, zipfile.BadZipFile) else error
    return cause if isinstance(cause, OSError) and cause.errno not in (None, errno.EINVAL) else None


def _are_numbers(tensors: dict[str, Tensor], size: int) -> bool:
    """Whether all are plain numbers on the CPU that lie in the file as they are, none of them stretched or shared."""
    plain = all(
        tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        for tensor in tensors.values()
    )
    return plain and sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) <= size


def _parts(path: Path, content: Any, hint: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    foreign = CheckpointError(f"{path} was not written by tnas.", hint=hint)
    if not isinstance(content, dict) or not isinstance(content.get("header"), str):
        raise foreign
    try:
        header = json_value(content["header"])
    except NotPlainError:
        raise foreign from None
    tensors = content.get("tensors")
    if not isinstance(header, dict) or not isinstance(header.get("about"), dict) or not isinstance(tensors, dict):
        raise foreign
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()):
        raise foreign
    return header, tensors
