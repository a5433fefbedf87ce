"""Kernels that other processes compile: found on disk afterwards, each for its own constants, and no process stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.engines.fused.calling import SIGNATURE
from tnas_cli.engines.fused import ahead, library
from tnas_cli.engines.fused.ahead import compiled_ahead
from tnas_cli.engines.fused.catalogue import compiled_and_kept
from tnas_cli.engines.fused.kernels import Kernel
from tnas_cli.engines.fused.library import Library
from tnas_cli.engines.fused.machine import kernels_kept

#: Two of one function, which Numba would keep under one index.
KERNELS = [Kernel("fill_zero", (8,)), Kernel("fill_zero", (16,)), Kernel("softmax", ())]

#: A process that compiles what it reads.
COMMAND = [sys.executable, "-m", "tnas_cli.engines.fused.ahead", "float64"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path))


def test_kernels_of_other_processes_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each does what its own constants say: 8 or 16 zeros at once, the rest of 20 numbers one by one."""
    ran: list[subprocess.Popen[str]] = []
    started = ahead._started
    monkeypatch.setattr(ahead, "_started", lambda *a: ran.append(started(*a)) or ran[-1])  # type: ignore[arg-type,func-returns-value]
    with compiled_ahead("float64", [KERNELS[:1], KERNELS[1:]]):
        for child in ran:
            child.wait(timeout=120)
    assert [child.returncode for child in ran] == [0, 0]
    with kernels_kept() as folder:
        found = [compiled_and_kept(kernel, "float64", folder) for kernel in KERNELS]
    assert [function.cache_hits for function in found] == [1, 1, 1]
    for function in found[:2]:
        mem, code = np.ones(30), np.array([2, 0, 20], np.int64)
        SIGNATURE(function.address)(mem.ctypes.data, code.ctypes.data, 0, 0, 1)
        np.testing.assert_array_equal(mem, [1, 1, *[0] * 20, *[1] * 8])


def test_a_library_compiles_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kernel once in all, or twice where two processes meet, and each is counted once."""
    counted: list[tuple[int, int]] = []
    shares: list[list[list[Kernel]]] = []
    monkeypatch.setattr(library, "FEWEST_EACH", 1)
    together = ahead.compiled_ahead

    def noticed(dtype: str, asked: list[list[Kernel]]) -> object:
        shares.append(asked)
        return together(dtype, asked)

    monkeypatch.setattr(library, "compiled_ahead", noticed)
    both = Library("float64", lambda done, total, seconds: counted.append((done, total)), cores=2)
    assert len(set(both.table(KERNELS))) == len(KERNELS)
    assert counted == [(1, 3), (2, 3), (3, 3)]
    assert [len(share) for share in shares[0]] == [1]


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    """Its input ends at once; it leaves most of a minute's work undone."""
    wanted = [("depthwise", (8, 8, 5, 1, 1, tile, add)) for tile in range(1, 25) for add in (False, True)]
    child = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, text=True)
    child.communicate(json.dumps(wanted) + "\n")
    assert child.returncode == 0
    assert len(list(tmp_path.rglob("depthwise-*"))) < len(wanted)


def test_where_no_process_can_be_started_the_library_compiles_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(ahead.subprocess, "Popen", refused)
    monkeypatch.setattr(library, "FEWEST_EACH", 1)
    assert len(set(Library("float64", cores=4).table(KERNELS))) == len(KERNELS)


def test_a_folder_that_cannot_be_written_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TNAS_KERNELS", str(tmp_path / "file"))
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdin is not None
        child.stdin.write('[["softmax", []]]\n')
        child.stdin.flush()  # and left open: the end of its input would end it, too
        assert child.wait(timeout=120) == 1
        assert child.communicate() == ("", "")
