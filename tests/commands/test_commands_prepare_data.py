"""`prepare_data` as a Python function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest
from PIL import Image

from tests.episodes.small_data import class_tree, truncated
from tnas_cli.commands import prepare_data as command
from tnas_cli.episodes.cache import open_cache
from tnas_cli.episodes.specs import DATASETS
from tnas_cli.errors import SettingsError
from tnas_cli.recipes.meta_architecture import preparation_of


def prepare_data(dataset: str, **options: Any) -> dict[str, Any]:
    """What the command prints with --json."""
    return command.prepare_data(dataset, **options).to_json()


def data_sets(root: Path | str) -> list[dict[str, Any]]:
    """What --list --json prints."""
    return command.data_sets(root).to_json()["data_sets"]


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


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    return class_tree(tmp_path / "birds", [f"bird{k}" for k in range(5)], images=3)


def test_what_is_known_and_prepared(tmp_path: Path, birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tnas_cli.episodes.glyphs.CLASSES", {"train": 2, "val": 1, "test": 2})
    root = tmp_path / "cache"
    before = data_sets(root)
    assert [entry["dataset"] for entry in before] == list(DATASETS)
    assert all(entry["prepared"] == [] for entry in before)
    assert not root.exists()
    how = {entry["dataset"]: entry["how"] for entry in before}
    assert (how["glyphs"], how["omniglot"], how["folder"]) == ("embedded", "download, 16 MB", "--source")
    assert how["mini-imagenet"] == how["imagenet"] == "--source"
    glyphs = prepare_data("glyphs", size=20, root=root)
    large = prepare_data("glyphs", root=root)
    own = prepare_data("folder", source=birds, root=root)
    (root / "broken-classes-84.h5").write_text("no HDF5")
    after = data_sets(str(root))
    assert json.loads(json.dumps(after, allow_nan=False)) == after
    prepared = {entry["dataset"]: entry["prepared"] for entry in after if entry["prepared"]}
    assert set(prepared) == {"glyphs", "birds", "broken"}
    assert [[record["path"] for record in prepared[name]] for name in ("glyphs", "birds")] == [
        [glyphs["path"], large["path"]],
        [own["path"]],
    ]
    assert {key: value for key, value in own.items() if key != "preview"} == prepared["birds"][0]
    assert "cannot be read" in prepared["broken"][0]["error"]


def test_a_preview_of_what_was_prepared(tmp_path: Path, birds: Path) -> None:
    record = prepare_data("folder", source=birds, root=tmp_path, preview=tmp_path / "sheet.PNG")
    assert record["preview"] == str(tmp_path / "sheet.PNG")
    with Image.open(tmp_path / "sheet.PNG") as sheet:
        assert sheet.format == "PNG"
        first = sheet.size
    again = prepare_data("folder", source=birds, root=tmp_path, preview=tmp_path / "again.png")
    with Image.open(tmp_path / "again.png") as sheet:
        assert sheet.size == first
    assert again["fingerprint"] == record["fingerprint"]
    with pytest.raises(SettingsError, match=r"--preview .*sheet\.jpg: the name does not end in \.png"):
        prepare_data("folder", source=birds, root=tmp_path / "x", preview=tmp_path / "sheet.jpg")
    assert not (tmp_path / "x").exists()


def test_choices_and_skipped_images_are_in_the_record(tmp_path: Path, birds: Path) -> None:
    truncated(birds / "bird2" / "1.png")
    record = prepare_data(
        "folder",
        source=str(birds),
        size=30,
        channels=1,
        resize="crop",
        shares=(40, 20, 40),
        skip_bad=True,
        keep_duplicates=True,
        root=tmp_path,
    )
    assert (record["size"], record["channels"], record["resize"]) == (30, 1, "crop")
    assert {split: counts["classes"] for split, counts in record["splits"].items()} == {"train": 2, "val": 1, "test": 2}
    (noted,) = [one for one in record["account"]["noted"] if one["fate"] == "left out"]
    assert noted["names"] == [str(birds / "bird2" / "1.png")]
    assert sum(counts["images"] for counts in record["splits"].values()) == 14


def test_what_a_run_says_of_its_data_has_the_account(tmp_path: Path, birds: Path) -> None:
    (birds / "bird0" / "notes.txt").write_text("x")
    record = prepare_data("folder", source=birds, root=tmp_path)
    preparation = preparation_of(open_cache(Path(record["path"])))
    assert preparation.account is not None and preparation.account.read == 15
    whys = [one.why for one in preparation.account.noted]
    assert whys == [one["why"] for one in record["account"]["noted"]]
    assert whys[0] == "files that are no images"
