"""`tnas prepare-data` as a user runs it: what it prints to which stream, and its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tnas_cli.cli.main import main


@dataclass
class Finished:
    """How a command ended, and what it wrote to its two streams."""

    returncode: int
    stdout: str
    stderr: str


Tnas = Callable[..., Finished]


@pytest.fixture
def tnas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tnas:
    """`tnas prepare-data ...`, run in this process."""

    def run(*arguments: str | Path, cache: Path) -> Finished:
        monkeypatch.setenv("TNAS_CACHE", str(cache))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["tnas", "prepare-data", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Finished(code, *capsys.readouterr())

    return run


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """A folder of four gray classes."""
    for k in range(4):
        folder = tmp_path / "kinds" / f"kind{k}"
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("L", (30, 20), 50 * k + i).save(folder / f"{i}.png")
    return tmp_path / "kinds"


def test_a_folder_then_again(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    first = tnas("folder", "--source", kinds, cache=tmp_path / "cache")
    assert first.returncode == 0, first.stderr
    assert "kinds (classes), 28 x 28 gray" in first.stdout
    assert str(tmp_path / "cache" / "kinds-classes-28.h5") in first.stdout
    assert "next:" not in first.stderr  # one class cannot make a task
    again = tnas("folder", "--source", kinds, "--json", cache=tmp_path / "cache")
    assert "already prepared" in again.stderr
    lines = again.stdout.splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert (record["event"], record["command"], record["dataset"]) == ("result", "prepare-data", "kinds")
    assert record["splits"]["train"] == {"classes": 2, "images": 6}


def test_quiet_leaves_stderr_empty(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    run = tnas("folder", "--source", kinds, "--quiet", cache=tmp_path / "cache")
    assert run.returncode == 0
    assert run.stderr == ""
    assert "kinds-classes-28.h5" in run.stdout


def test_bad_input(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "one" / "only").mkdir(parents=True)
    Image.new("L", (9, 9)).save(tmp_path / "one" / "only" / "1.png")
    (kinds / "kind1" / "text.png").write_text("hello")
    (tmp_path / "in-the-way").write_text("a file")
    cases = [
        (("omniglott",), tmp_path, 2, "omniglott"),
        (("glyphs", "--size", "7"), tmp_path, 2, "--size 7"),
        (("omniglot", "--source", tmp_path / "nowhere"), tmp_path, 3, "nowhere"),
        (("omniglot", "--source", tmp_path / "cut.zip"), tmp_path, 3, "cut.zip"),
        (("folder", "--source", tmp_path / "one"), tmp_path, 3, "only"),
        (("folder", "--source", kinds), tmp_path, 3, "text.png"),
        (("glyphs",), tmp_path / "in-the-way", 1, "in-the-way"),
    ]
    for arguments, cache, code, words in cases:
        run = tnas(*arguments, cache=cache)
        assert run.returncode == code, (arguments, run.stderr)
        assert words in run.stderr
        assert "hint: " in run.stderr
        assert "Traceback" not in run.stderr
        assert run.stdout == ""
    assert not list(tmp_path.rglob("*.h5"))


def test_a_list_of_what_is_known_and_prepared(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    tnas("folder", "--source", kinds, cache=tmp_path / "cache")
    run = tnas("--list", cache=tmp_path / "cache")
    assert (run.returncode, run.stderr) == (0, "")
    words = " ".join(run.stdout.split())
    for known in ("glyphs", "omniglot", "fc100", "cifar-fs", "mini-imagenet", "cifar10", "imagenet", "kinds"):
        assert known in words
    assert "28 x 28 gray" in words and "embedded" in words
    for record in (tnas("--list", "--json", cache=tmp_path / "cache"), tnas("--list", "--json", cache=tmp_path / "x")):
        assert record.returncode == 0
        found = json.loads(record.stdout)
        prepared = {entry["dataset"]: len(entry["prepared"]) for entry in found["data_sets"]}
        assert (found["event"], found["command"], prepared["glyphs"]) == ("result", "prepare-data", 0)
        assert prepared.get("kinds", 0) == (1 if record.stdout.count("kinds-classes-28.h5") else 0)
    assert not (tmp_path / "x").exists()


def test_a_preview_is_a_png_and_said(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    run = tnas("folder", "--source", kinds, "--preview", tmp_path / "sheet.png", cache=tmp_path / "cache")
    assert run.returncode == 0, run.stderr
    assert str(tmp_path / "sheet.png") in run.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        # four classes; tiles of 56 pixels, 4 between them, 28 for each of three titles, 200 for the names
        assert (sheet.format, sheet.size) == ("PNG", (200 + 10 * 60 + 4, 4 * 60 + 3 * 28 + 4))


def test_bad_images_may_be_skipped_and_are_listed(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    for k in range(12):
        (kinds / "kind1" / f"bad{k:02d}.png").write_text("hello")
    run = tnas("folder", "--source", kinds, "--skip-bad", cache=tmp_path / "cache")
    assert run.returncode == 0, run.stderr
    words = " ".join(run.stderr.split())
    assert "left out: images that cannot be read (12): " in words
    assert "bad04.png, ..." in words and "bad05.png" not in words
    again = tnas("folder", "--source", kinds, "--json", "--quiet", cache=tmp_path / "cache")
    assert "left out: images that cannot be read (12): " in " ".join(again.stderr.split())
    record = json.loads(again.stdout)
    (noted,) = record["account"]["noted"]
    assert noted["count"] == 12 and "bad11.png" in noted["names"][-1]
    assert sum(counts["images"] for counts in record["splits"].values()) == 12


def test_images_in_two_splits_are_warned_of(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    for k in (1, 2):
        (kinds / f"kind{k}" / "same.png").write_bytes((kinds / "kind0" / "0.png").read_bytes())
    (kinds / "kind3" / "same.png").write_bytes((kinds / "kind0" / "0.png").read_bytes())
    run = tnas("folder", "--source", kinds, cache=tmp_path / "cache")
    words = " ".join(run.stderr.split())
    assert "duplicate: images that are in another" in words and "0.png = " in words


def test_choices_are_followed(tnas: Tnas, tmp_path: Path, kinds: Path) -> None:
    options = ("--size", "40", "--channels", "3", "--resize", "crop", "--split", "25/25/50", "--name", "mine")
    run = tnas("folder", "--source", kinds, *options, "--json", cache=tmp_path / "cache")
    record = json.loads(run.stdout)
    assert (record["dataset"], record["size"], record["channels"], record["resize"]) == ("mine", 40, 3, "crop")
    assert [counts["classes"] for counts in record["splits"].values()] == [1, 1, 2]
