"""Checkpoints that were made to do harm: what unpacks without end, stretched tensors, and texts that nobody reads."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tnas_cli.errors import CheckpointError
from tnas_cli.runs import checkpoint
from tnas_cli.runs.checkpoint import SCHEMA, Checkpoint

HEADER = json.dumps({"kind": "test", "schema": SCHEMA, "about": {}})


def refused(path: Path) -> str:
    """The message with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path, "test")
    assert str(path) in caught.value.message and caught.value.hint
    return caught.value.message


def members(path: Path) -> list[tuple[zipfile.ZipInfo, bytes]]:
    """The parts of a good checkpoint, saved at `path`."""
    checkpoint.save(path, Checkpoint("test", {}, {"a": torch.zeros(1000), "b": torch.ones(3)}))
    with zipfile.ZipFile(path) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def test_packed_parts_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    parts = members(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packing:
        for info, content in parts:
            packing.writestr(info.filename, content)
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda self: pytest.fail("it was unpacked"))
    assert "is damaged or is not a checkpoint" in refused(path)


@pytest.mark.parametrize("size", [10 * 2**20, 2**32 - 2])
def test_a_part_that_says_it_is_larger_than_the_file(size: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    members(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<LL", size, size)
    path.write_bytes(data)
    refused(path)


def test_many_parts_in_the_same_bytes(tmp_path: Path) -> None:
    """A directory that names one part a thousand times over."""
    path, out = tmp_path / "a.pt", io.BytesIO()
    with zipfile.ZipFile(out, "w") as packing:
        packing.writestr("a/data.pkl", bytes(10_000))
        info = packing.infolist()[0]
        packing.filelist += [info] * 1000
    path.write_bytes(out.getvalue())
    refused(path)


def test_a_program_of_the_pickle_module_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members(tmp_path / "a.pt")
    assert checkpoint.load(tmp_path / "a.pt", "test").tensors
    monkeypatch.setattr(checkpoint, "LARGEST_PICKLE", 100)
    refused(tmp_path / "a.pt")


STRETCHED: list[Callable[[], Any]] = [
    lambda: torch.zeros(1).expand(2**40),
    lambda: torch.zeros(1000).unfold(0, 500, 1),
    lambda: torch.zeros(3, device="meta"),
    lambda: torch.zeros(3, 3).to_sparse(),
    lambda: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.quint8),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", STRETCHED, ids=["stretched", "overlapping", "nowhere", "sparse", "quantised"])
def test_tensors_that_are_not_plain_numbers_of_the_file(make: Callable[[], Any], tmp_path: Path) -> None:
    torch.save({"header": HEADER, "tensors": {"a": make()}}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "header",
    [
        "[" * 100_000,
        '{"kind": ' * 100_000,
        HEADER.replace("{}", "9" * 5000),
        HEADER.replace('"test"', '"\\ud800"'),
        HEADER.replace("{}", "[]"),
        HEADER.replace("{}", "NaN"),
        HEADER.replace('"test"', "[]"),
        HEADER.replace('"test"', '{"a": 1}'),
        HEADER.replace(str(SCHEMA), "1e999"),
        "null",
    ],
)
def test_headers_that_no_program_should_read(header: str, tmp_path: Path) -> None:
    torch.save({"header": header, "tensors": {"a": torch.zeros(3)}}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt")
