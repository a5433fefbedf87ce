"""One unit for each GPU of a machine, with GPUs that are only counted."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import until
from tests.scale.cluster_works import OnGpu
from tnas_cli.runs.events import Event, Note, ignore
from tnas_cli.runs.interrupt import StoppedError
from tnas_cli.scale import gpus
from tnas_cli.scale.processes import end, listen, side_by_side, started


def never() -> bool:
    return False


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[int]]:
    """Two GPUs; what was computed on."""
    chosen: list[int] = []
    monkeypatch.setattr(gpus, "count", lambda: 2)
    monkeypatch.setattr(gpus, "folder", lambda: tmp_path / "gpus")
    monkeypatch.setattr(gpus, "compute_on", chosen.append)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield chosen


def test_each_holds_its_own_and_gives_it_back(two: list[int]) -> None:
    with gpus.one_gpu(never, ignore) as first:
        with gpus.one_gpu(never, ignore) as second:
            assert (first, second) == (0, 1)
        with gpus.one_gpu(never, ignore) as again:
            assert again == 1
    assert two == [0, 1, 1]


def test_a_third_one_waits_and_can_be_stopped(two: list[int], tmp_path: Path) -> None:
    """Also by the process that started it: it has been given its item, and waits."""
    heard: list[tuple[int, Event]] = []
    ended: list[BaseException | None] = []

    def listened() -> bool:
        ended.append(listen([third], lambda *event: heard.append(event)))
        return bool(heard)

    with gpus.one_gpu(never, ignore), gpus.one_gpu(never, ignore):
        third = started(multiprocessing.get_context("spawn"), OnGpu(tmp_path), 0)
        try:
            until(listened, 60)
            third.ask_to_stop()
            until(lambda: listened() and ended[-1], 5)
        finally:
            end([third])
    assert isinstance(ended[-1], StoppedError)
    assert heard == [(0, Note("waiting for a free GPU"))]


def test_processes_that_see_different_ones_do_not_meet(two: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are named by the machine's GPUs, not by their places in what a process sees."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with gpus.one_gpu(never, ignore):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,2")
        with gpus.one_gpu(never, ignore) as other:
            assert other == 0
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
        with gpus.one_gpu(never, ignore) as other:
            assert other == 1


@pytest.mark.parametrize("available", [0, 1])
def test_there_is_nothing_to_choose(available: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "count", lambda: available)
    with gpus.one_gpu(never, ignore) as number:
        assert number is None


def test_processes_side_by_side_compute_on_different_ones(tmp_path: Path) -> None:
    work = OnGpu(tmp_path)
    side_by_side(work, iter(range(4)), 2, lambda *_: None)
    assert sorted(work.used().values()) == [0, 1]
