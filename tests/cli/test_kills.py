"""A few trials of `tests/kills.py`: killed, asked to stop, cut off from power, and continued to the same numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.killing.disk import STATES, Call, Disk, State, build

SCRIPT = Path(__file__).parents[1] / "kills.py"
COMMANDS = ("prepare-data folder", "search")


@pytest.mark.timeout(900)
def test_a_few_kills_find_nothing() -> None:
    words = [sys.executable, SCRIPT, "--most", "1", "--ways", "border", "TERM", "power", "--commands", *COMMANDS]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in COMMANDS:
        rows = [line.split() for line in ran.stdout.splitlines() if line.startswith(f"{name} ")]
        assert rows and all(int(row[-3]) >= 1 for row in rows), ran.stdout


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.iterdir()}


@pytest.mark.parametrize(
    ("flushed", "expected"),
    [
        # Written and renamed without a flush: a half file, or none, may stand in its place.
        ((), {"flushed": b"old", "names": b"", "torn": b"ne", "content": b"old"}),
        # Flushed before the rename, but not its folder: the old file, or the new one.
        (("file",), {"flushed": b"old", "names": b"newer", "torn": b"newer", "content": b"old"}),
        (("file", "folder"), dict.fromkeys(STATES, b"newer")),
    ],
)
def test_what_a_power_cut_leaves(tmp_path: Path, flushed: tuple[str, ...], expected: dict[State, bytes]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"old")
    disk, part, place = Disk(root), str(root / ".a.part"), str(root / "a")
    calls = [Call("open", (part,), b""), Call("close", (part,), b"newer")]
    calls += [Call("fsync", (part,), b"newer")] if "file" in flushed else []
    calls += [Call("rename", (part, place))]
    calls += [Call("fsync", (str(root),))] if "folder" in flushed else []
    assert list(disk.replay(calls)) == list(range(len(calls) + 1))
    for state, content in expected.items():
        build(disk.cut(state), tmp_path / state)
        assert files(tmp_path / state) == {"a": content}, state


def test_what_was_added_is_torn_behind_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "log").write_bytes(b"one\n")
    disk = Disk(root)
    list(disk.replay([Call("close", (str(root / "log"),), b"one\ntwo\n")]))
    build(disk.cut("torn"), tmp_path / "torn")
    assert files(tmp_path / "torn") == {"log": b"one\ntw"}
