"""Temporary files: those of living processes stay, those that a kill left go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tnas_cli.errors import TnasError
from tnas_cli.runs.below import runs_below
from tnas_cli.runs.files import new_folder, replacing, write_text
from tnas_cli.runs.held import remove_left

#: Writes half a file, says so, and waits for its end.
WRITER = """
import sys
from pathlib import Path
from tnas_cli.runs.files import new_folder, replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("half", flush=True)
    sys.stdin.read()
"""


def test_a_temporary_file_stays_while_its_process_lives_and_goes_when_its_place_is_written_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "page [1].html"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None and writer.stdout.readline() == "half\n"
        write_text(path, "mine")
        (left,) = tmp_path.glob(".*.part")
        writer.kill()
        writer.wait()
    assert left.read_text() == "half"
    write_text(tmp_path / "other", "of another file")
    assert left.exists()
    write_text(path, "mine again")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["other", "page [1].html"]


def test_whatever_was_left_in_a_folder_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / ".run.1234.part").mkdir()
    (tmp_path / ".run.1234.part" / "settings.toml").write_text("")
    (tmp_path / ".best.pt.1234.part").write_text("half")
    (tmp_path / ".mine").write_text("")
    remove_left(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [".mine"]


def test_a_folder_appears_with_all_its_files_under_the_first_free_number(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    left = tmp_path / ".run.1234.part"
    left.mkdir()
    (left / "settings.toml").write_text("")
    assert runs_below(tmp_path) == []  # a folder that is being made is no run yet
    path = new_folder(tmp_path, "run", {"run.json": "1", "settings.toml": ""})
    assert path.name == "run-2" and sorted(entry.name for entry in path.iterdir()) == ["run.json", "settings.toml"]
    assert not left.exists() and runs_below(tmp_path) == [path]
    with pytest.raises(TnasError):
        new_folder(tmp_path, "run", {"no/such/folder": ""})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run-1", "run-2"]


def test_a_file_that_is_written_by_its_own_name_again_is_whole(tmp_path: Path) -> None:
    """Libraries open the temporary file themselves: holding it does not keep them from it."""
    import h5py

    with replacing(tmp_path / "x.h5") as partial, h5py.File(partial, "w", locking=False) as file:
        file["a"] = 1
    with h5py.File(tmp_path / "x.h5", "r") as file:
        assert file["a"][()] == 1
