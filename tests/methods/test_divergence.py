"""What is said of a task that no longer gives numbers: which one, the step, the parameters, the rate, what to lower."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from tests.synthetic import pattern_tasks
from tnas_cli.engines.choose import choose_engine
from tnas_cli.errors import DivergedError
from tnas_cli.methods import auto_maml, t_nas, t_nas_plus_plus
from tnas_cli.methods.divergence import check_losses, in_losses, naming
from tnas_cli.methods.learner import SteppingLearner
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks, meta_learn
from tnas_cli.methods.method import SearchMethod
from tnas_cli.settings.search import SearchSettings
from tnas_cli.spaces.parameters import THETA

METHODS = {"t-nas": t_nas.METHOD, "t-nas++": t_nas_plus_plus.METHOD, "auto-maml": auto_maml.METHOD}
CPU = torch.device("cpu")


def begun(method: SearchMethod, settings: SearchSettings, engine: str) -> tuple[SteppingLearner, MetaState]:
    network = t_nas.search_network(settings, 1)
    state = method.start(network, settings, CPU)
    return method.learner(choose_engine(engine, network, CPU), network, settings), state


def settings_of(**changes: object) -> SearchSettings:
    small = {"dataset": "patterns", "way": 3, "channels": 8, "nodes": 2, "inner_steps": 4, "test_steps": 2}
    return SearchSettings.from_dict(small | changes)


def searched(learner: SteppingLearner, state: MetaState, tasks: int = 4) -> None:
    sources = Tasks(lambda first, count: pattern_tasks(first, count), lambda: iter([pattern_tasks(50, 3)]))
    list(meta_learn(learner, state, sources, Plan(tasks=tasks, meta_batch=2, validate_every=2)))


@pytest.mark.parametrize(
    ("name", "engine"), [("t-nas", "torch"), ("t-nas", "fused"), ("t-nas++", "fused"), ("auto-maml", "torch")]
)
def test_an_inner_rate_that_is_too_high(name: str, engine: str) -> None:
    pieces = {"learned_rates": "step", "step_norms": True} if name == "t-nas++" else {}
    learner, state = begun(METHODS[name], settings_of(method=name, alpha_inner=1e22, **pieces), engine)
    before = {name: tensor.clone() for name, tensor in state.parameters.items()}
    with pytest.raises(DivergedError) as caught:
        searched(learner, state)
    assert caught.value.message.startswith("training task 0 diverged in inner step ")
    assert " w (" in caught.value.message
    assert "at the inner rate 1e+22" in caught.value.message
    assert "--alpha-inner" in caught.value.hint
    assert not caught.value.outer
    assert all(torch.equal(state.parameters[name], tensor) for name, tensor in before.items())


def test_an_outer_rate_that_is_too_high() -> None:
    learner, state = begun(t_nas.METHOD, settings_of(alpha_outer=1e25), "fused")
    with pytest.raises(DivergedError) as caught:
        searched(learner, state)
    words = "validation task 0, after 2 training tasks, diverged before its first inner step: w ("
    assert caught.value.message.startswith(words)
    assert "reached 1e+25" in caught.value.message
    assert "--alpha-outer" in caught.value.hint
    assert caught.value.outer


def test_images_that_are_not_numbers() -> None:
    learner, state = begun(t_nas.METHOD, settings_of(), "torch")
    x, labels = pattern_tasks(0, 3).support
    x[1, 0] = math.nan
    with pytest.raises(DivergedError, match="task 1 of a batch has images that are not all finite"):
        learner.fit(state.parameters, (x, labels))
    assert learner.diverged(state.parameters, pattern_tasks(0, 3).support) is None


def test_steps_of_the_training_are_looked_at_though_a_test_takes_fewer() -> None:
    learner, state = begun(t_nas.METHOD, settings_of(), "torch")
    assert len(list(learner.course(state.parameters, pattern_tasks(0, 1).support))) == 3
    assert len(list(learner.in_training().course(state.parameters, pattern_tasks(0, 1).support))) == 5


def test_theta_is_named_with_its_own_rate() -> None:
    learner, state = begun(t_nas.METHOD, settings_of(beta_inner=7e3), "torch")
    state.parameters[THETA].fill_(1e38)
    state.parameters[THETA][0, 0, 0] = math.inf  # softmax of infinity is not a number
    found = learner.diverged(state.parameters, pattern_tasks(0, 2).support)
    assert found is not None
    assert "theta reached inf" in found.message
    assert "--beta-outer" in found.hint


def test_a_fit_names_the_position() -> None:
    learner, state = begun(t_nas.METHOD, settings_of(alpha_inner=1e22), "fused")
    with (
        pytest.raises(DivergedError, match="my_task diverged in inner step") as caught,
        naming(lambda position: ("my_task", "other")[position], "take fewer steps"),
    ):
        learner.fit(state.parameters, pattern_tasks(0, 2).support)
    assert caught.value.hint == "take fewer steps"


def test_losses_of_a_batch() -> None:
    check_losses(torch.tensor([0.5, 2.0]), [8, 9], 0, 0.1, "lower it")
    with pytest.raises(
        DivergedError, match=r"task 9 diverged: its training loss is inf in step 4, at the rate 0\.1 of w"
    ):
        check_losses(torch.tensor([0.5, math.inf]), [8, 9], 3, 0.1, "lower it")
    losses = torch.tensor([[1.0, 2.0], [1.0, math.nan]])
    assert in_losses(losses).message == "task 1 of a batch diverged: its support loss is nan after 1 inner steps."


def test_the_error_survives_another_process() -> None:
    error = DivergedError("diverged.", hint="lower it", position=2).named("test task 7")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, DivergedError)
    assert (again.message, again.hint, again.exit_code) == ("test task 7 diverged.", "lower it", 1)
