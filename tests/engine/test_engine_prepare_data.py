"""`prepare_data` as a Python function."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest

from tnas_cli.engine.prepare_data import prepare_data


def test_the_record_says_what_the_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 3, "val": 1, "test": 5})
    record = prepare_data("glyphs", size=20, seed=5, root=str(tmp_path))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    path = Path(record["path"])
    assert path == tmp_path / "glyphs-drawn-20.h5"
    assert record["bytes"] == path.stat().st_size
    assert record["splits"] == {
        "train": {"classes": 3, "images": 60},
        "val": {"classes": 1, "images": 20},
        "test": {"classes": 5, "images": 100},
    }
    with h5py.File(path) as file:
        assert file["images"].shape == (180, 20, 20, 1)
        assert file.attrs["fingerprint"] == record["fingerprint"]
        assert file["evaluation/5w5s15q"].shape == (600, 5, 20)
        assert (record["protocol"], record["licence"], record["seed"]) == ("drawn", "MIT", 5)
