"""`tests/fuzz.py` finds what it is made to find; and some inputs of each kind are read in each run of the tests."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import fuzz
from tests.fuzzing import readers, worker
from tests.fuzzing.examples import KINDS, Example, made
from tnas_cli.errors import DataError

INPUTS = {
    "caches": 120,
    "checkpoints": 30,
    "records": 60,
    "genotypes": 200,
    "images": 100,
    "archives": 120,
    "lists": 60,
    "settings": 120,
}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The worker changes the folder; its limit of time would end the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(worker, "SECONDS", 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_each_kind(kind: str) -> None:
    examples = KINDS[kind]()
    ends = [worker.tried(kind, 0, index, examples) for index in range(INPUTS[kind])]
    assert [how for how in ends if "finding" in how] == []
    assert len({how["end"] for how in ends}) > 1 or kind == "settings"  # some examples stay good


@pytest.mark.parametrize("kind", ["genotypes", "lists", "settings"])
def test_an_input_depends_on_seed_kind_and_index_alone(kind: str) -> None:
    examples = KINDS[kind]()
    first = [made(kind, 3, index, examples)[1] for index in range(20)]
    assert [made(kind, 3, index, KINDS[kind]())[1] for index in reversed(range(20))] == first[::-1]
    assert [made(kind, 4, index, examples)[1] for index in range(20)] != first


def _fails(path: Path) -> None:
    raise KeyError("x")


def _exits(path: Path) -> None:
    sys.exit(0)


def _refuses(path: Path) -> None:
    raise DataError("x is bad.", hint="take another")


def _takes(path: Path) -> None:
    assert len(bytearray(os.urandom(2**20)) * 1200)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (_refuses, None),
        (_fails, "KeyError in no function of tnas"),
        (_exits, "SystemExit"),
        (_takes, "MB of memory"),
        (lambda path: Path("canary").touch(), "executed, or written outside"),
        (lambda path: Path("../x").touch(), "executed, or written outside"),
    ],
)
def test_findings(reader: Callable[[Path], None], words: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(readers.READERS, "this", reader)
    how = worker.tried("x", 0, 0, [Example("input", b"x", "this")])
    if words is None:
        assert how == {"index": 0, "reader": "this", "end": "DataError"}
    else:
        assert words in str(how["finding"])


WORKER = """
import os, signal, sys
print("ready", flush=True)
for line in sys.stdin:
    if int(line) == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if int(line) == 2:
        signal.setitimer(signal.ITIMER_PROF, 0.05)
        while True:
            pass
    print('{"index": %d, "end": "ok"}' % int(line), flush=True)
"""


def test_a_worker_that_dies_is_a_finding_and_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fuzzing").mkdir()
    (tmp_path / "fuzzing" / "worker.py").write_text(WORKER)
    kept: list[int] = []
    monkeypatch.setattr(fuzz, "HERE", tmp_path)
    monkeypatch.setattr(fuzz, "_keep", lambda keep, kind, seed, how: kept.append(how["index"]))
    ends, findings = fuzz.run("caches", 0, iter(range(5)), 60, tmp_path)
    assert dict(ends) == {"ok": 3}
    assert dict(findings) == {"the process died (exit code -11)": 1, "more than 5 seconds": 1}
    assert kept == [1, 2]


def test_a_finding_is_kept_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    fuzz._keep(tmp_path / "kept", "settings", 7, {"index": 3, "finding": "KeyError in x.py:f", "text": "x"})
    folder = tmp_path / "kept" / "settings-7-3"
    assert (folder / "input.toml").read_bytes() == made("settings", 7, 3, KINDS["settings"]())[1]
    assert "--kind settings --seed 7 --first 3 --inputs 1" in (folder / "finding.txt").read_text()


def test_it_stops_when_the_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fuzzing").mkdir()
    (tmp_path / "fuzzing" / "worker.py").write_text(WORKER)
    monkeypatch.setattr(fuzz, "HERE", tmp_path)
    moments = iter(range(0, 10**6, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
    ends, _ = fuzz.run("caches", 0, iter(range(3, 10**9)), 100, tmp_path)
    assert 5 < ends.total() < 15
