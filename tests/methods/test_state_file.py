"""Stopping and resuming changes nothing, bit for bit on the CPU, wherever the stop is."""

import gzip
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import CheckpointError
from tnas_cli.methods import t_nas
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.registry import search_method
from tnas_cli.methods.state_file import parameters_of, restore, to_checkpoint
from tnas_cli.runs import checkpoint
from tnas_cli.runs.checkpoint import Checkpoint
from tnas_cli.runs.events import StepDone, Validated
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA, Parameters, Spec

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
    """Before the first step, between steps, exactly when validation is due, after it, and at the end."""
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
    """The comparison above can fail: resuming with the weights alone gives other numbers."""
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


def test_a_checkpoint_of_version_0_1_is_read_to_the_last_bit_and_gone_on_with(tmp_path: Path) -> None:
    """A state of a T-NAS++ search by version 0.1.0, on drawn glyphs: 2-way, 2 channels, 2 nodes, 1 inner step."""
    path = tmp_path / "last.pt"
    path.write_bytes(gzip.decompress((Path(__file__).parent / "version-0.1.0.pt.gz").read_bytes()))
    saved = checkpoint.load(path, "tnas/meta-architecture")
    settings = SearchSettings.from_dict(saved.about["settings"])
    network, method = t_nas.search_network(settings, 1), search_method(settings.method)
    state = method.start(network, settings, CPU)
    restore(saved, state)
    assert (state.tasks_done, len(state.history)) == (2, 2)
    again = to_checkpoint("test", state, {}).tensors
    assert set(again) == set(saved.tensors)
    assert all(torch.equal(tensor, saved.tensors[name]) for name, tensor in again.items())
    assert {name.partition("/")[0] for name in again} == {
        "parameters", "adam.step", "adam.exp_avg", "adam.exp_avg_sq"
    }  # fmt: skip
    learner = method.learner(TorchEngine(), network, settings)
    tasks = Tasks(lambda first, count: pattern_tasks(first, count, way=2), lambda: iter([pattern_tasks(9, 2, way=2)]))
    done = list(meta_learn(learner, state, tasks, Plan.of(settings.replace(tasks=4))))
    assert state.tasks_done == 4
    assert all(math.isfinite(event.loss) for event in done if isinstance(event, StepDone))


@pytest.mark.parametrize("stop_after", range(3))
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RMSprop, torch.optim.NAdam])
def test_any_optimiser_is_gone_on_with(kind: type[torch.optim.Optimizer], stop_after: int) -> None:
    """Whatever state an optimiser keeps of a parameter is restored."""
    more = {"momentum": 0.9} if kind is not torch.optim.NAdam else {}

    def optimiser(parameters: Parameters, settings: SearchSettings) -> torch.optim.Optimizer:
        return kind(parameters.values(), lr=settings.alpha_outer, **more)

    method = replace(t_nas.METHOD, optimiser=optimiser)
    whole, first, second = (method.start(NETWORK, SETTINGS, CPU) for _ in range(3))
    list(events(whole))
    list(islice(events(first), stop_after))
    restore(to_checkpoint("test", first, {}), second)
    list(events(second))
    expected, found = everything(whole), everything(second)
    assert set(found) == set(expected)
    assert {name.partition(".")[0] for name in found if not name.startswith("parameters/")} == {kind.__name__.lower()}
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_checkpoint_of_another_optimiser_is_refused() -> None:
    state = fresh()
    list(islice(events(state), 1))
    other = replace(state, optimiser=torch.optim.SGD(state.parameters.values(), lr=0.1))
    with pytest.raises(CheckpointError, match="written with the optimiser adam, but this method has sgd"):
        restore(to_checkpoint("test", state, {}), other)


def test_a_checkpoint_with_a_number_that_is_not_finite_is_refused() -> None:
    tensors = {"parameters/w": torch.tensor([1.0, math.nan])}
    with pytest.raises(CheckpointError, match="the checkpoint's w holds values that are not finite"):
        parameters_of(Checkpoint("kind", {}, tensors), {"w": Spec((2,))}, torch.device("cpu"))
