"""An HDF5 file is written as the library writes it, and a full disk is an error and no crash."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tnas_cli.episodes.hdf5_writing import hdf5_file

ROOT = Path(__file__).parents[2]


def fill(file: Any) -> None:
    images = file.create_dataset("images", shape=(50, 20, 20, 1), dtype=np.uint8)
    for first in range(0, 50, 10):
        images[first : first + 10] = first
    file["offset"] = np.arange(7)
    file.create_dataset("name", data=["one", "größer"], dtype=h5py.string_dtype())
    file.create_group("evaluation")["1w1s"] = np.arange(600, dtype=np.int32).reshape(6, 100)
    file.attrs.update(format="x", mean=np.asarray([0.5]))


def test_the_library_reads_what_it_would_have_written_alone(tmp_path: Path) -> None:
    with hdf5_file(tmp_path / "a.h5") as file:
        fill(file)
    with h5py.File(tmp_path / "b.h5", "w") as file:
        fill(file)
    with h5py.File(tmp_path / "a.h5") as ours, h5py.File(tmp_path / "b.h5") as theirs:
        names: list[str] = []
        theirs.visit(names.append)
        for name in names:
            if isinstance(theirs[name], h5py.Dataset):
                assert np.array_equal(ours[name][()], theirs[name][()])
        assert len(names) == 5 and dict(ours.attrs).keys() == dict(theirs.attrs).keys()
        offset = ours["images"].id.get_offset()
    assert (tmp_path / "a.h5").read_bytes()[offset + 4000 : offset + 4400] == bytes([10]) * 400


class Small(io.FileIO):
    """A disk that takes `room` bytes more."""

    room = 0

    def write(self, data: Any) -> int:
        part = memoryview(data)[: Small.room]
        if not part:
            raise OSError(errno.ENOSPC, "No space left on device")
        Small.room -= len(part)
        return super().write(part)


@pytest.mark.parametrize("room", [0, 1, 96, 2000, 10_000, 20_000, 22_000])
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(Path, "open", lambda path, mode, buffering: Small(path, mode))
    monkeypatch.setattr(Small, "room", room)
    with pytest.raises(OSError, match="No space left"), hdf5_file(tmp_path / "a.h5") as file:
        fill(file)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size here")
def test_the_process_ends_as_it_should_afterwards(tmp_path: Path) -> None:
    """The library's own way crashes when the process ends."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tests.episodes.test_hdf5_writing import fill; from tnas_cli.episodes.hdf5_writing import hdf5_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try:\n"
        "    with hdf5_file(Path(sys.argv[1])) as file: fill(file)\n"
        "except OSError as error: print(error.errno)"
    )
    # Coverage would write its own file, which has the same limit.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", code, tmp_path / "a.h5"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd(), env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{errno.EFBIG}\n", "")
