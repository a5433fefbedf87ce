"""Every method by being listed: it learns tasks that can be learned, and starts again to the same numbers."""

import pytest
import torch

from tests.glyph_tasks import SIDE, VALIDATION, glyph_tasks
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.episodes.tasks import TaskBatch
from tnas_cli.methods import t_nas
from tnas_cli.methods.learner import accuracies, mean_and_interval
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.zoo import SEARCH, TRAIN
from tnas_cli.runs.events import StepDone
from tnas_cli.settings.few_shot import SEARCH_METHODS, TRAIN_METHODS, SearchSettings, TrainSettings
from tnas_cli.spaces.four_conv import FourConv
from tnas_cli.spaces.parameters import THETA

CPU = torch.device("cpu")
NETWORK = FourConv(3, 1, SIDE, filters=8)


def in_halves(first: int, count: int, way: int = 3) -> TaskBatch:
    """Alternate meta-batches are of the first and the second half, as Algorithm 3 wants them."""
    return glyph_tasks(first, count, way=way, half=1 + first // 4 % 2)


def tasks(way: int) -> Tasks:
    """Training tasks, and 48 validation tasks of other classes."""
    return Tasks(
        lambda first, count: in_halves(first, count, way),
        lambda: iter([glyph_tasks(10_000, 48, classes=VALIDATION, way=way, query=5)]),
    )


def learned(learner, state: MetaState, settings: SearchSettings | TrainSettings) -> tuple[float, float]:
    """Validation accuracy before and after the training."""
    source = tasks(settings.way)
    before, _ = mean_and_interval(accuracies(learner, state.parameters, source.validate()))
    events = list(meta_learn(learner, state, source, Plan.of(settings)))
    assert all(0 <= event.accuracy <= 1 for event in events if isinstance(event, StepDone))
    return before, state.best_accuracy


@pytest.mark.parametrize("name", TRAIN)
def test_training_methods_learn(name: str) -> None:
    values = {"way": 3, "query": 2, "inner_steps": 2, "test_steps": 2, "alpha_outer": 5e-3, "tasks": 240}
    values |= {"validate_every": 80}
    settings = TrainSettings.from_dict({"dataset": "glyphs", **values, **TRAIN_METHODS[name], "method": name})
    method = TRAIN[name]
    state = method.start(NETWORK, settings, "weights", CPU)
    again = method.start(NETWORK, settings, "weights", CPU)
    assert all(torch.equal(tensor, again.parameters[n]) for n, tensor in state.parameters.items())
    before, after = learned(method.learner(TorchEngine(), NETWORK, settings), state, settings)
    assert after > before + 0.1


@pytest.mark.parametrize("name", SEARCH)
def test_search_methods_learn(name: str) -> None:
    values = {"way": 5, "query": 2, "channels": 8, "nodes": 2, "inner_steps": 2, "test_steps": 2, "alpha_inner": 0.1}
    values |= {"alpha_outer": 5e-3, "beta_outer": 5e-3, "tasks": 200, "validate_every": 100}
    settings = SearchSettings.from_dict({"dataset": "glyphs", **SEARCH_METHODS[name], **values, "method": name})
    network = t_nas.search_network(settings, 1)
    state = SEARCH[name].start(network, settings, CPU)
    theta = state.parameters[THETA].clone()
    before, after = learned(SEARCH[name].learner(TorchEngine(), network, settings), state, settings)
    assert after > before + 0.05
    assert not torch.equal(state.parameters[THETA], theta)


def test_auto_maml_moves_w_and_theta_in_turn_and_theta_never_inside_a_task() -> None:
    settings = SearchSettings("x", way=3, query=2, channels=4, nodes=2, method="auto-maml")
    network = t_nas.search_network(settings, 1)
    state = SEARCH["auto-maml"].start(network, settings, CPU)
    learner = SEARCH["auto-maml"].learner(TorchEngine(), network, settings)
    first, second = (learner.meta_gradient(state.parameters, in_halves(start, 4), 0.0).gradients for start in (0, 4))
    assert set(second) == {THETA}
    assert set(first) == set(state.parameters) - {THETA}
    batch = glyph_tasks(0, 2)
    adapted = learner.adapt(state.parameters, (batch.support_x, batch.support_y)).parameters
    assert torch.equal(adapted[THETA][0], state.parameters[THETA])
    assert not torch.equal(adapted["stem.0.conv"][0], state.parameters["stem.0.conv"])


def test_every_method_has_settings() -> None:
    assert set(SEARCH) == set(SEARCH_METHODS)
    assert set(TRAIN) == set(TRAIN_METHODS)
