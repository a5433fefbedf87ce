"""A checkpoint to resume from whose progress or optimiser was changed: an error that says so, and no half state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tnas_cli.errors import CheckpointError
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.methods.t_nas import search_network
from tnas_cli.runs.checkpoint import META_ARCHITECTURE, Checkpoint
from tnas_cli.settings.search import SearchSettings

SETTINGS = SearchSettings(dataset="x", way=3, shot=1, channels=2)


def state() -> Any:
    """A search that has made one step."""
    found = search_method(SETTINGS.method).start(search_network(SETTINGS, 1), SETTINGS, torch.device("cpu"))
    for tensor in found.parameters.values():
        tensor.grad = torch.ones_like(tensor)
    found.optimiser.step()
    return found


@pytest.mark.parametrize(
    "progress",
    [
        None,
        [],
        {},
        {"tasks_done": None, "best_accuracy": 0.5, "history": []},
        {"tasks_done": "x", "best_accuracy": 0.5, "history": []},
        {"tasks_done": float("inf"), "best_accuracy": 0.5, "history": []},
        {"tasks_done": 3, "best_accuracy": "x", "history": []},
        {"tasks_done": 3, "best_accuracy": 10**400, "history": []},
        {"tasks_done": 3, "best_accuracy": None, "history": 5},
        {"tasks_done": 3, "best_accuracy": None, "history": [1, 2]},
        {"tasks_done": 3, "best_accuracy": None, "history": [], "seconds": []},
    ],
)
def test_progress_that_says_nothing(progress: object) -> None:
    saved = to_checkpoint(META_ARCHITECTURE, state(), {})
    with pytest.raises(CheckpointError, match="how far it came"):
        restore(Checkpoint(saved.kind, {"progress": progress}, saved.tensors), state())


def test_an_optimiser_with_other_shapes() -> None:
    saved = to_checkpoint(META_ARCHITECTURE, state(), {})
    name = next(name for name in saved.tensors if ".exp_avg/" in name)
    changed = {**saved.tensors, name: torch.zeros(2, 2, 2)}
    with pytest.raises(CheckpointError, match="other shapes"):
        restore(Checkpoint(saved.kind, saved.about, changed), state())
    restore(saved, state())
