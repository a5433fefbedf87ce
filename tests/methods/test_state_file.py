"""Stopping and going on changes nothing: bit for bit on the CPU, wherever the stop falls."""

import math
from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import CheckpointError
from tnas_cli.methods import t_nas
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.state_file import parameters_of, restore, to_checkpoint
from tnas_cli.runs import checkpoint
from tnas_cli.runs.checkpoint import Checkpoint
from tnas_cli.runs.events import StepDone, Validated
from tnas_cli.settings.few_shot import SearchSettings
from tnas_cli.spaces.parameters import THETA

CPU = torch.device("cpu")
SETTINGS = SearchSettings(
    "patterns",
    way=3,
    query=2,
    channels=4,
    nodes=2,
    inner_steps=2,
    test_steps=2,
    tasks=6,
    meta_batch=2,
    validate_every=4,
    theta_betas=(0.5, 0.999),
    theta_weight_decay=1e-3,
)
NETWORK = t_nas.search_network(SETTINGS, 1)
TASKS = Tasks(pattern_tasks, lambda: iter([pattern_tasks(10_000, 4)]))
#: 2 tasks, 4 tasks, validation, 6 tasks, validation.
EVENTS = 5


def fresh() -> MetaState:
    return t_nas.METHOD.start(NETWORK, SETTINGS, CPU)


def events(state: MetaState):
    return meta_learn(t_nas.METHOD.learner(TorchEngine(), NETWORK, SETTINGS), state, TASKS, Plan.of(SETTINGS))


def everything(state: MetaState) -> dict[str, torch.Tensor]:
    return to_checkpoint("test", state, {}).tensors


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[MetaState, list]:
    state = fresh()
    return state, list(events(state))


def test_the_events_are_those_that_the_stops_below_count_on(uninterrupted) -> None:
    kinds = [type(event) for event in uninterrupted[1]]
    assert kinds == [StepDone, StepDone, Validated, StepDone, Validated]


@pytest.mark.parametrize("stop_after", range(EVENTS + 1))
def test_resuming_gives_the_numbers_of_an_uninterrupted_run(stop_after: int, uninterrupted, tmp_path: Path) -> None:
    """Before the first step, between steps, exactly where validation is due, behind it, and at the end."""
    first = fresh()
    seen = list(islice(events(first), stop_after))
    checkpoint.save(tmp_path / "last.pt", to_checkpoint("test", first, {"settings": SETTINGS.to_dict()}))
    second = fresh()
    restore(checkpoint.load(tmp_path / "last.pt", "test"), second)
    seen += list(events(second))

    whole, whole_events = uninterrupted
    assert seen == whole_events
    assert (second.tasks_done, second.best_accuracy, second.history) == (6, whole.best_accuracy, whole.history)
    expected, found = everything(whole), everything(second)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_forgetting_adams_moments_would_show(uninterrupted) -> None:
    """The comparison above can fail: going on with the weights alone ends elsewhere."""
    first = fresh()
    list(islice(events(first), 1))
    second = fresh()
    for name, tensor in first.parameters.items():
        second.parameters[name].copy_(tensor)
    second.tasks_done = first.tasks_done
    list(events(second))
    assert not torch.equal(second.parameters[THETA], uninterrupted[0].parameters[THETA])


def test_a_state_without_a_validation_has_no_best() -> None:
    state = fresh()
    saved = to_checkpoint("test", state, {})
    assert saved.about["progress"]["best_accuracy"] is None
    other = fresh()
    other.best_accuracy = 0.5
    restore(saved, other)
    assert other.best_accuracy == -math.inf


@pytest.mark.parametrize("change", ["shape", "missing"])
def test_weights_of_another_network_are_refused(change: str) -> None:
    saved = to_checkpoint("test", fresh(), {})
    tensors = dict(saved.tensors)
    if change == "shape":
        tensors["parameters/classifier.bias"] = torch.zeros(5)
    else:
        del tensors["parameters/classifier.bias"]
    broken = Checkpoint("test", saved.about, tensors)
    found = "(5,)" if change == "shape" else "None"
    with pytest.raises(CheckpointError) as caught:
        parameters_of(broken, NETWORK.specs(), CPU)
    assert "classifier.bias" in caught.value.message
    assert found in caught.value.message
    assert "(3,)" in caught.value.message
