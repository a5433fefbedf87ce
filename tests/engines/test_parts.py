"""Tasks in parts: all of them, in order, on all threads; an error in a part is raised."""

import threading

import pytest
import torch

from tnas_cli.engines import parts
from tnas_cli.engines.parts import in_parts, joined


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("tasks", [1, 2, 3, 7])
@pytest.mark.parametrize("pixels", [1, 10**6])
def test_slices_cover_all_tasks_in_order(
    tasks: int, pixels: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PIXELS", pixels)
    images = torch.arange(tasks).view(-1, 1, 1, 1, 1).expand(tasks, 2, 1, 4, 4)
    found = in_parts(lambda of: images[of, 0, 0, 0, 0], images)
    assert torch.equal(joined(found), torch.arange(tasks))
    assert len(found) == (tasks if pixels == 1 else min(threads, tasks))
    assert torch.get_num_threads() == threads


def test_parts_run_at_the_same_time() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        meet = threading.Barrier(2, timeout=20)
        in_parts(lambda of: meet.wait(), torch.zeros(2, 1, 1, 2, 2))
    finally:
        torch.set_num_threads(before)


def test_what_a_part_raises_is_raised(threads: int) -> None:
    def fail(of: slice) -> None:
        raise ValueError(f"task {of.start}")

    with pytest.raises(ValueError, match="task 0"):
        in_parts(fail, torch.zeros(3, 1, 1, 2, 2))
    assert torch.get_num_threads() == threads
