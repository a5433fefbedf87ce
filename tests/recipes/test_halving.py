"""`tnas search --on-divergence halve` against searches that have the lower rates from the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Pipeline
from tests.recipes.calls import search
from tests.recipes.test_recipes_search import machine, settings
from tnas_cli.errors import DivergedError
from tnas_cli.methods import meta_learn
from tnas_cli.methods.state_file import restore, to_checkpoint
from tnas_cli.recipes.halving import MOST
from tnas_cli.runs import checkpoint, events

KIND = checkpoint.META_ARCHITECTURE


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets training tasks diverge: the first time that the search is at each of these numbers of tasks."""
    plain = meta_learn._meta_gradient

    def let(*at: int, outer: bool = False) -> None:
        left = list(at)

        def meta_gradient(learner: Any, state: Any, *others: Any) -> Any:
            if state.tasks_done in left:
                left.remove(state.tasks_done)
                raise DivergedError("diverged.", hint="lower it", task="training task 5", outer=outer)
            return plain(learner, state, *others)

        monkeypatch.setattr(meta_learn, "_meta_gradient", meta_gradient)

    return let


def searched(pipeline: Pipeline, runs: Path, **changes: Any) -> dict[str, Any]:
    return search(settings(tasks=6, **changes), runs=runs, machine=machine(pipeline.cache))


def tensors_of(found: dict[str, Any]) -> dict[str, torch.Tensor]:
    return checkpoint.load(Path(found["checkpoint"]).parent / "last.pt", KIND).tensors


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_before_any_validation_it_is_a_search_at_half_the_rates(
    pipeline: Pipeline, tmp_path: Path, diverging: Callable[..., None]
) -> None:
    expected = searched(pipeline, tmp_path / "plain", alpha_inner=0.05, beta_inner=2.0)
    diverging(0, 0)
    found = searched(pipeline, tmp_path / "runs", alpha_inner=0.2, beta_inner=8.0, on_divergence="halve")
    assert same(tensors_of(found), tensors_of(expected))
    assert found["halvings"] == 2
    assert found["validation_accuracy"] == expected["validation_accuracy"]
    kept = checkpoint.load(Path(found["checkpoint"]), KIND).about
    assert (kept["settings"]["alpha_inner"], kept["settings"]["beta_inner"]) == (0.05, 2.0)


def test_it_goes_back_to_the_best_checkpoint_and_says_so(
    pipeline: Pipeline, tmp_path: Path, diverging: Callable[..., None]
) -> None:
    said: list[str] = []

    def hear(event: events.Event) -> None:
        if isinstance(event, events.Note):
            said.append(event.text)

    diverging(2)
    asked = settings(tasks=6, on_divergence="halve", alpha_inner=0.2)
    found = search(asked, runs=tmp_path, machine=machine(pipeline.cache), listener=hear)
    assert "Going back to the checkpoint of task 2, with halved rates: alpha_inner 0.1, beta_inner 15." in said[-1]
    log = [json.loads(line) for line in (Path(found["run"]) / "events.jsonl").read_text().splitlines()]
    (halved,) = (record for record in log if record["event"] == "halved")
    assert (halved["tasks"], halved["back_to"], halved["alpha_inner"]) == (2, 2, 0.1)
    assert halved["reason"] == "training task 5 diverged."
    assert found["tasks"] == 6


def test_a_checkpoint_keeps_how_often_the_rates_were_halved() -> None:
    state = meta_learn.MetaState({}, torch.optim.SGD([torch.zeros(1)]), halvings=3)
    again = meta_learn.MetaState({}, torch.optim.SGD([torch.zeros(1)]))
    restore(to_checkpoint(KIND, state, {}), again)
    assert again.halvings == 3


@pytest.mark.parametrize("changes", [{}, {"on_divergence": "halve"}])
def test_it_ends(pipeline: Pipeline, tmp_path: Path, diverging: Callable[..., None], changes: dict[str, str]) -> None:
    diverging(*[0] * (MOST + 1))
    with pytest.raises(DivergedError) as caught:
        searched(pipeline, tmp_path, **changes)
    words = f"halved {MOST} times already" if changes else "or search with --on-divergence halve"
    assert words in caught.value.hint
    assert str(tmp_path) in caught.value.hint  # where what was saved is


def test_halving_inner_rates_does_not_help_against_the_outer_ones(
    pipeline: Pipeline, tmp_path: Path, diverging: Callable[..., None]
) -> None:
    diverging(0, outer=True)
    with pytest.raises(DivergedError, match="training task 5"):
        searched(pipeline, tmp_path, on_divergence="halve")
