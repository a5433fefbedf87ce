import json
import os
import pickle
from pathlib import Path
from typing import IO

import pytest
import torch
from torch import nn

from tnas_cli.errors import CheckpointError, WriteError
from tnas_cli.runs import checkpoint
from tnas_cli.runs.checkpoint import SCHEMA, Checkpoint

ABOUT = {"settings": {"way": 5, "name": "größer"}, "history": [0.1, 1 / 3], "best": None}


def example() -> Checkpoint:
    tensors = {
        "parameters/a.b": torch.randn(3, 4, dtype=torch.float64),
        "parameters/c": torch.randn(5).expand(2, 5),
        "adam.step/c": torch.tensor(7.0),
    }
    return Checkpoint("test", ABOUT, tensors)


def refused(path: Path, kind: str = "test") -> str:
    """The message of the CheckpointError that `load` raises; it has exit code 4, names the path and has a hint."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path, kind)
    assert caught.value.exit_code == 4
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


def test_round_trip_to_the_last_bit(tmp_path: Path) -> None:
    saved, path = example(), tmp_path / "new" / "a.pt"
    checkpoint.save(path, saved)
    found = checkpoint.load(path, "test")
    assert (found.kind, found.about) == ("test", ABOUT)
    assert list(found.tensors) == list(saved.tensors)
    for name, tensor in saved.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert set(found.group("parameters")) == {"a.b", "c"}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.pt"]


def test_a_view_is_saved_without_what_it_views(tmp_path: Path) -> None:
    """One row of a large tensor must not carry the large tensor into the file."""
    checkpoint.save(tmp_path / "a.pt", Checkpoint("test", {}, {"row": torch.zeros(1000, 1000)[3]}))
    assert (tmp_path / "a.pt").stat().st_size < 20_000


def test_missing(tmp_path: Path) -> None:
    assert "no checkpoint" in refused(tmp_path / "absent.pt")
    assert "no checkpoint" in refused(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert "damaged" in refused(path)


def test_one_changed_byte_in_a_tensor(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    values = torch.arange(100, dtype=torch.float64)
    checkpoint.save(path, Checkpoint("test", {}, {"a": values}))
    content = bytearray(path.read_bytes())
    content[content.index(values.numpy().tobytes()) + 401] ^= 1
    path.write_bytes(content)
    assert "damaged" in refused(path)


@pytest.mark.parametrize("content", [b"not a checkpoint\n", b"\x00" * 100, b"PK\x03\x04 only the beginning", b"{}"])
def test_other_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    assert "not a checkpoint" in refused(path)


HEADER = json.dumps({"kind": "test", "schema": SCHEMA, "about": {}})


@pytest.mark.parametrize(
    "content",
    [
        {"conv.weight": torch.zeros(3)},
        [torch.zeros(3)],
        torch.zeros(3),
        {"header": "no JSON", "tensors": {}},
        {"header": "[]", "tensors": {}},
        {"header": HEADER, "tensors": [torch.zeros(3)]},
        {"header": HEADER, "tensors": {"a": 3}},
        {"header": HEADER},
    ],
)
def test_foreign_tensors(content: object, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(content, path)
    assert "not written by tnas" in refused(path)


def test_a_whole_module_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(nn.Linear(2, 2), path)
    assert "none of it was run" in refused(path)


class Payload:
    """Unpickling it without protection makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["torch", "inside a checkpoint", "legacy", "pickle"])
def test_code_in_a_pickle_is_never_run(form: str, tmp_path: Path) -> None:
    path, marker = tmp_path / "a.pt", tmp_path / "was_run"
    payload = Payload(marker)
    if form == "torch":
        torch.save(payload, path)
    elif form == "inside a checkpoint":
        torch.save({"header": HEADER, "tensors": {"a": torch.zeros(2), "b": payload}}, path)
    elif form == "legacy":
        torch.save({"a": payload}, path, _use_new_zipfile_serialization=False)
    else:
        path.write_bytes(pickle.dumps(payload))
    refused(path)
    assert not marker.exists()
    # The payload is real: read without the guard, it runs.
    if form == "torch":
        torch.load(path, weights_only=False)
        assert marker.is_dir()


def test_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    message = refused(path, "meta-architecture")
    assert "'test'" in message
    assert "'meta-architecture'" in message


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, "2", None])
def test_another_schema_is_named(schema: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "SCHEMA", schema)
        checkpoint.save(path, example())
    assert f"version {schema!r}" in refused(path)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "no space left"),
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"), "not all of it"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "not all of it"),
    ],
)
def test_a_failing_save_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    before = path.read_bytes()

    def full(content: object, file: IO[bytes]) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(WriteError, match=f"{path}: {reason}.*the earlier file is kept"):
        checkpoint.save(path, example())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]
