"""T-NAS and MAML with the real engine on learnable tasks, and both orders and both inner rules of Algorithm 1."""

from collections.abc import Iterator

import pytest
import torch

from tests import oracle
from tests.helpers import AUTO_MAML_5SHOT
from tests.synthetic import each_task, pattern_tasks, worst_relative_error
from tnas_cli.engines.torch_engine import TorchEngine
from tnas_cli.errors import TnasError
from tnas_cli.methods import maml, t_nas
from tnas_cli.methods import meta_learn as loop
from tnas_cli.methods.meta_learn import MetaState, Plan, Tasks
from tnas_cli.runs.events import Event, StepDone, Validated
from tnas_cli.settings.search import SearchSettings
from tnas_cli.settings.train import TrainSettings
from tnas_cli.spaces.decoded_network import DecodedNetwork
from tnas_cli.spaces.parameters import THETA
from tnas_cli.spaces.search_network import SearchNetwork

CPU = torch.device("cpu")
TASKS = Tasks(pattern_tasks, lambda: iter([pattern_tasks(10_000, 8, query=5)]))


def search_settings(**changes) -> SearchSettings:
    values = {"way": 3, "query": 2, "channels": 4, "nodes": 2, "inner_steps": 2, "test_steps": 2, "alpha_outer": 1e-2}
    return SearchSettings("patterns", **{**values, "tasks": 8, "meta_batch": 2, "validate_every": 8, **changes})


def started(settings: SearchSettings) -> tuple[SearchNetwork, MetaState]:
    network = t_nas.search_network(settings, 1)
    return network, t_nas.METHOD.start(network, settings, CPU)


def searched(network: SearchNetwork, state: MetaState, tasks: Tasks, settings: SearchSettings) -> Iterator[Event]:
    """Algorithm 1 as `tnas search` runs it."""
    learner = t_nas.METHOD.learner(TorchEngine(), network, settings)
    return loop.meta_learn(learner, state, tasks, Plan.of(settings))


def test_t_nas_learns() -> None:
    settings = search_settings(tasks=240, meta_batch=4, validate_every=120)
    network, state = started(settings)
    theta = state.parameters[THETA].clone()
    events = list(searched(network, state, TASKS, settings))
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert len(losses) == 60
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.tasks_done for event in validated] == [120, 240]
    assert validated[-1].accuracy > 0.8  # 1/3 is chance
    assert not torch.equal(state.parameters[THETA], theta)


def test_maml_learns() -> None:
    settings = TrainSettings(
        "patterns", way=3, query=2, inner_steps=2, test_steps=2, alpha_inner=0.01, alpha_outer=1e-2, tasks=160
    )
    settings = settings.replace(validate_every=160)
    network = DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=4)
    state = maml.METHOD.start(network, settings, CPU, "weights")
    learner = maml.learner(TorchEngine(), network, settings)
    events = list(loop.meta_learn(learner, state, TASKS, Plan.of(settings)))
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert all(event.values == {} for event in events if isinstance(event, StepDone))


def test_maml_starts_by_seed_and_purpose() -> None:
    network = DecodedNetwork(AUTO_MAML_5SHOT, 3, 1, channels=4)
    settings = TrainSettings("patterns", way=3, seed=1)
    first, again, other = (maml.METHOD.start(network, settings, CPU, purpose).parameters for purpose in ("a", "a", "b"))
    seeded = maml.METHOD.start(network, settings.replace(seed=2), CPU, "a").parameters
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.0.conv"], other["stem.0.conv"])
    assert not torch.equal(first["stem.0.conv"], seeded["stem.0.conv"])


@pytest.mark.parametrize("order", ["first", "second"])
@pytest.mark.parametrize("alternating", [False, True])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_one_meta_batch_is_the_oracles(
    order: str, alternating: bool, reduction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Algorithm 1, lines 3 to 10, from settings to the gradient that the outer optimiser gets, in float64."""
    settings = search_settings(
        tasks=2, order=order, alternating=alternating, reduction=reduction, alpha_inner=0.05, beta_inner=3.0
    )
    network, state = started(settings)
    state.parameters = {name: tensor.double() for name, tensor in state.parameters.items()}
    batch = pattern_tasks(0, 2).to(CPU, torch.float64)
    caught = []
    monkeypatch.setattr(loop.outer, "step", lambda optimiser, parameters, gradients: caught.append(gradients))
    tasks = Tasks(lambda first, count: batch, lambda: iter([batch]))
    next(iter(searched(network, state, tasks, settings)))
    one_by_one = zip(
        each_task((batch.support_x, batch.support_y)), each_task((batch.query_x, batch.query_y)), strict=True
    )
    expected, _ = oracle.meta_gradient(
        lambda w, x: oracle.search_logits(w, x, nodes=2),
        state.parameters,
        list(one_by_one),
        lambda name: 3.0 if name == THETA else 0.05,
        2,
        second_order=order == "second",
        alternating=alternating,
    )
    share = 0.5 if reduction == "mean" else 1.0
    assert worst_relative_error(caught[0], {name: share * tensor for name, tensor in expected.items()}) < 1e-9


def test_the_outer_optimiser_has_the_settings_rules() -> None:
    _, state = started(search_settings(theta_betas=(0.5, 0.999), theta_weight_decay=1e-3, beta_outer=3e-3))
    found = {
        id(tensor): (group["lr"], group["betas"], group["weight_decay"])
        for group in state.optimiser.param_groups
        for tensor in group["params"]
    }
    rules = {name: found.pop(id(tensor)) for name, tensor in state.parameters.items()}
    assert not found
    assert rules.pop(THETA) == (3e-3, (0.5, 0.999), 1e-3)
    assert set(rules.values()) == {(1e-2, (0.9, 0.999), 0.0)}


def test_images_that_are_no_numbers_stop_the_search() -> None:
    settings = search_settings()
    network, state = started(settings)
    batch = pattern_tasks(0, 2)
    batch.query_x[0, 0] = float("nan")
    tasks = Tasks(lambda first, count: batch, lambda: iter([batch]))
    with pytest.raises(TnasError, match="training task 0 has images that are not all finite"):
        next(searched(network, state, tasks, settings))
    assert all(bool(tensor.isfinite().all()) for tensor in state.parameters.values())
